#include "array_arguments.h"
#include "bindings.h"
#include "freshet/row_scan.h"

namespace freshet::python {
namespace {

std::size_t blocks_of(std::size_t num_rows) {
  if (num_rows % kScanBlockRows != 0) {
    throw py::value_error("scales must have a multiple of " + std::to_string(kScanBlockRows) +
                          " rows, received " + std::to_string(num_rows));
  }
  return num_rows / kScanBlockRows;
}

void write_scan_rows(const py::object& rows, const py::object& vectors, const py::object& packed,
                     const py::object& scales) {
  const auto numbers = vector_argument<std::int32_t>(rows, "rows");
  const py::array given = array_argument<float>(vectors, "vectors", 2);
  const auto dim = static_cast<std::size_t>(given.shape(1));
  const auto values = matrix_argument<float>(vectors, "vectors", numbers.size(), dim);
  py::array of_rows = array_argument<float>(scales, "scales", 1);
  const auto num_rows = static_cast<std::size_t>(of_rows.size());
  py::array bytes =
      shaped_array<std::int8_t>(packed, "packed", {blocks_of(num_rows) * scan_block_bytes(dim)});
  if (!bytes.writeable() || !of_rows.writeable())
    throw py::value_error("packed and scales must be writeable");
  for (const std::int32_t row : numbers) {
    if (row >= 0 && static_cast<std::size_t>(row) < num_rows) continue;
    throw py::value_error("rows must be 0 to " + std::to_string(num_rows) + ", received " +
                          std::to_string(row));
  }
  const auto to = span_of<std::int8_t>(bytes);
  const auto to_scales = span_of<float>(of_rows);
  const py::gil_scoped_release unlocked;
  scan_write(numbers, values, dim, to, to_scales);
}

py::tuple scan_products_of(const py::object& packed, const py::object& scales, const py::object& user,
                           std::size_t num_blocks) {
  const auto vector = vector_argument<float>(user, "user");
  const auto of_rows = vector_argument<float>(scales, "scales");
  const std::size_t all = blocks_of(of_rows.size());
  const std::size_t block_bytes = scan_block_bytes(vector.size());
  const py::array bytes = shaped_array<std::int8_t>(packed, "packed", {all * block_bytes});
  if (num_blocks > all) {
    throw py::value_error("num_blocks must be 0 to " + std::to_string(all) + ", received " +
                          std::to_string(num_blocks));
  }
  const std::span<const std::int8_t> from{static_cast<const std::int8_t*>(bytes.data()),
                                          num_blocks * block_bytes};
  py::array products = py::array_t<float>(static_cast<py::ssize_t>(num_blocks * kScanBlockRows));
  const auto out = span_of<float>(products);
  float error = 0.0F;
  {
    const py::gil_scoped_release unlocked;
    error = scan_products(from, of_rows.first(out.size()), vector, out);
  }
  return py::make_tuple(products, error);
}

py::tuple scan_best_of(const py::tuple& scan, const py::object& vectors, const py::object& present,
                       const py::object& allowed, const py::object& user, std::size_t num) {
  if (scan.size() != 2) throw py::value_error("scan must be packed and scales");
  const auto vector = vector_argument<float>(user, "user");
  const auto is_present = vector_argument<bool>(present, "present");
  const auto of_rows = vector_argument<float>(scan[1], "scales");
  const std::size_t num_bytes = blocks_of(of_rows.size()) * scan_block_bytes(vector.size());
  const py::array bytes = shaped_array<std::int8_t>(scan[0], "packed", {num_bytes});
  if (is_present.size() > of_rows.size()) {
    throw py::value_error("present must be of at most " + std::to_string(of_rows.size()) +
                          " rows, received " + std::to_string(is_present.size()));
  }
  const auto floats = matrix_argument<float>(vectors, "vectors", is_present.size(), vector.size());
  std::span<const bool> mask;
  if (!allowed.is_none()) mask = vector_argument<bool>(allowed, "allowed");
  std::vector<ScanFound> found;
  {
    const ScannedRows rows{
        {static_cast<const std::int8_t*>(bytes.data()), num_bytes}, of_rows, floats, is_present};
    const py::gil_scoped_release unlocked;
    found = scan_best(rows, vector, allowed.is_none() ? nullptr : &mask, num);
  }
  py::array best = py::array_t<std::int32_t>(static_cast<py::ssize_t>(found.size()));
  py::array scores = py::array_t<float>(static_cast<py::ssize_t>(found.size()));
  const auto to_rows = span_of<std::int32_t>(best);
  const auto to_scores = span_of<float>(scores);
  for (std::size_t i = 0; i < found.size(); ++i) {
    to_rows[i] = found[i].row;
    to_scores[i] = found[i].score;
  }
  return py::make_tuple(best, scores);
}

}  // namespace

void bind_row_scan(py::module_& module) {
  module.attr("SCAN_BLOCK_ROWS") = kScanBlockRows;
  module.attr("SCAN_LEAST") = kScanLeast;
  module.def("scan_block_bytes", &scan_block_bytes, py::arg("dim"), "Bytes of a block of rows of this dim.");
  module.def("write_scan_rows", &write_scan_rows, py::arg("rows"), py::arg("vectors"), py::arg("packed"),
             py::arg("scales"),
             "Write float32 [n, dim] into rows int32 [n] of int8 [bytes] and their scales float32 [rows].");
  module.def("scan_products", &scan_products_of, py::arg("packed"), py::arg("scales"), py::arg("user"),
             py::arg("num_blocks"),
             "The product float32 [rows] of every row of the first blocks with user float32 [dim], and e: a "
             "product is off by at most e "
             "times its row's scale.");
  module.def(
      "scan_best", &scan_best_of, py::arg("scan"), py::arg("vectors"), py::arg("present"), py::arg("allowed"),
      py::arg("user"), py::arg("num"),
      "The rows int32 [k] of greatest product with user float32 [dim], and these, float32 [k], the "
      "greatest first, of (packed, scales), vectors float32 [rows, dim], present bool [rows] and allowed "
      "bool [m] or None.");
}

}  // namespace freshet::python
