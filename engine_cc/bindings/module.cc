#include "bindings.h"

PYBIND11_MODULE(_core, module) {
  module.doc() =
      "Freshet's C++ core. Arguments are checked here; the work runs without the interpreter lock.";
  freshet::python::bind_errors(module);
  freshet::python::bind_hashing(module);
  freshet::python::bind_layout(module);
  freshet::python::bind_pooling(module);
  freshet::python::bind_sighted_batch(module);
  freshet::python::bind_table(module);
  freshet::python::bind_checkpoint(module);
  freshet::python::bind_serving_table(module);
  freshet::python::bind_dense_program(module);
  freshet::python::bind_row_scan(module);
  freshet::python::bind_row_encoder(module);
  freshet::python::bind_row_merge(module);
  freshet::python::bind_neighbours(module);
}
