#pragma once

#include <pybind11/pybind11.h>

namespace freshet::python {

void bind_hashing(pybind11::module_& module);
void bind_table(pybind11::module_& module);

}  // namespace freshet::python
