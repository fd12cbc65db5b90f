#include <cstring>

#include "array_arguments.h"
#include "bindings.h"
#include "freshet/row_merge.h"

namespace freshet::python {
namespace {

template <typename T>
py::array copied(const std::vector<T>& values) {
  py::array array = py::array_t<T>(static_cast<py::ssize_t>(values.size()));
  if (!values.empty()) std::memcpy(array.mutable_data(), values.data(), values.size() * sizeof(T));
  return array;
}

py::tuple merged(const py::sequence& lists) {
  if (lists.size() > INT16_MAX) {
    throw py::value_error("lists must be at most 32767, received " + std::to_string(lists.size()));
  }
  std::vector<std::span<const std::int32_t>> spans;
  spans.reserve(lists.size());
  for (const py::handle list : lists) {
    const auto rows = vector_argument<std::int32_t>(list, "rows");
    for (const std::int32_t row : rows) {
      if (row < 0) throw py::value_error("rows must be from 0 on, received " + std::to_string(row));
    }
    spans.push_back(rows);
  }
  const MergedRows found = merge_rows(spans);
  return py::make_tuple(copied(found.rows), copied(found.lists));
}

}  // namespace

void bind_row_merge(py::module_& module) {
  module.def(
      "merge_rows", &merged, py::arg("lists"),
      "The different rows of arrays int32 [n], in the order in which they come first, int32 [k], and the "
      "number of the "
      "array that each comes in first, int16 [k].");
}

}  // namespace freshet::python
