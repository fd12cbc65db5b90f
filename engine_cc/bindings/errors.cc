#include <exception>
#include <stdexcept>

#include "bindings.h"

namespace freshet::python {

/// What the core throws and what Python sees:
///
///   std::invalid_argument  ValueError     a wrong value or size
///   std::length_error      OverflowError  more rows than a table can have
///   std::bad_alloc         MemoryError
///   std::logic_error       RuntimeError   a call that is not allowed now, as a second checkpoint
///
/// All but the second are pybind11's own translation. A wrong type or dtype is a TypeError before the core is called.
void bind_errors(pybind11::module_&) {
  pybind11::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const std::length_error& error) {
      pybind11::set_error(PyExc_OverflowError, error.what());
    }
  });
}

}  // namespace freshet::python
