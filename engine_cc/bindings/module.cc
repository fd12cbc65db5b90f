#include "bindings.h"

PYBIND11_MODULE(_core, module) {
  module.doc() =
      "Freshet's C++ core. Arguments are checked here; the work runs without the interpreter lock.";
  freshet::python::bind_hashing(module);
  freshet::python::bind_table(module);
}
