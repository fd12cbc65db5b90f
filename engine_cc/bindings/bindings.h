#pragma once

#include <pybind11/pybind11.h>

namespace freshet::python {

void bind_errors(pybind11::module_& module);
void bind_hashing(pybind11::module_& module);
void bind_layout(pybind11::module_& module);
void bind_pooling(pybind11::module_& module);
void bind_sighted_batch(pybind11::module_& module);
void bind_table(pybind11::module_& module);
void bind_checkpoint(pybind11::module_& module);
void bind_serving_table(pybind11::module_& module);
void bind_dense_program(pybind11::module_& module);
void bind_row_scan(pybind11::module_& module);
void bind_row_merge(pybind11::module_& module);
void bind_row_encoder(pybind11::module_& module);
void bind_neighbours(pybind11::module_& module);

}  // namespace freshet::python
