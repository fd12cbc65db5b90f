#include <cstdint>

#include "array_arguments.h"
#include "bindings.h"
#include "freshet/column_pooling.h"
#include "freshet/pooling.h"
#include "pooling_argument.h"

namespace freshet::python {
namespace {

std::span<const float> weights_argument(const py::object& weights) {
  if (weights.is_none()) return {};
  return vector_argument<float>(weights, "weights");
}

Shape pooled_shape(Pooling pooling, std::uint32_t first_n, std::span<const std::int64_t> splits,
                   std::size_t dim) {
  if (splits.empty()) throw py::value_error("splits must have at least one element, received none");
  const std::size_t num_bags = splits.size() - 1;
  if (pooling == Pooling::kFirstN) return {num_bags, first_n, dim};
  return {num_bags, dim};
}

/// Weights without elements are none to the core, but here the caller gave some.
void check_weights(const py::object& weights, std::span<const float> given, std::size_t num_members) {
  if (weights.is_none() || given.size() == num_members) return;
  throw py::value_error("weights must have one element for each of " + std::to_string(num_members) +
                        " members, or be None; received " + std::to_string(given.size()));
}

py::array pool_rows(const std::string& pooling, std::uint32_t first_n, const py::object& rows,
                    const py::object& members, const py::object& splits, const py::object& weights,
                    const py::object& out) {
  const Pooling kind = pooling_argument(pooling);
  const py::array vectors = array_argument<float>(rows, "rows", 2);
  const auto numbers = vector_argument<std::int32_t>(members, "members");
  const auto bounds = vector_argument<std::int64_t>(splits, "splits");
  const auto factors = weights_argument(weights);
  check_weights(weights, factors, numbers.size());
  const auto num_rows = static_cast<std::size_t>(vectors.shape(0));
  const auto dim = static_cast<std::uint32_t>(vectors.shape(1));
  py::array pooled = output_argument<float>(out, "out", pooled_shape(kind, first_n, bounds, dim));
  const auto* const from = static_cast<const float*>(vectors.data());
  float* const to = span_of<float>(pooled).data();
  const py::gil_scoped_release unlocked;
  pool(kind, first_n, from, num_rows, dim, numbers, bounds, factors, to);
  return pooled;
}

py::array pool_rows_gradient(const std::string& pooling, std::uint32_t first_n,
                             const py::object& out_gradient, const py::object& members,
                             const py::object& splits, std::size_t num_rows, const py::object& weights,
                             const py::object& out) {
  const Pooling kind = pooling_argument(pooling);
  const py::ssize_t rank = kind == Pooling::kFirstN ? 3 : 2;
  const py::array given = array_argument<float>(out_gradient, "out_gradient", rank);
  const auto numbers = vector_argument<std::int32_t>(members, "members");
  const auto bounds = vector_argument<std::int64_t>(splits, "splits");
  const auto factors = weights_argument(weights);
  check_weights(weights, factors, numbers.size());
  const auto dim = static_cast<std::uint32_t>(given.shape(rank - 1));
  shaped_array<float>(out_gradient, "out_gradient", pooled_shape(kind, first_n, bounds, dim));
  py::array gradients = output_argument<float>(out, "out", {num_rows, dim});
  const auto* const from = static_cast<const float*>(given.data());
  float* const to = span_of<float>(gradients).data();
  const py::gil_scoped_release unlocked;
  pool_gradient(kind, first_n, from, dim, numbers, bounds, factors, num_rows, to);
  return gradients;
}

ColumnBags column_bags(const std::string& pooling, const py::object& members, const py::object& splits,
                       const py::object& columns, const py::object& row_of, std::size_t dim) {
  ColumnBags bags;
  bags.pooling = pooling_argument(pooling);
  bags.dim = dim;
  bags.members = vector_argument<std::int32_t>(members, "members");
  bags.splits = vector_argument<std::int64_t>(splits, "splits");
  bags.columns = vector_argument<std::int32_t>(columns, "columns");
  if (!row_of.is_none()) bags.row_of = vector_argument<std::int32_t>(row_of, "row_of");
  return bags;
}

/// None is every row in turn; an array without elements is no line at all.
bool has_no_lines(const py::object& row_of, const ColumnBags& bags) {
  return !row_of.is_none() && bags.row_of.empty();
}

void pool_rows_into_columns(const std::string& pooling, const py::object& rows, const py::object& members,
                            const py::object& splits, const py::object& columns, const py::object& row_of,
                            const py::object& out) {
  const py::array vectors = array_argument<float>(rows, "rows", 2);
  py::array lines = array_argument<float>(out, "out", 2);
  if (!lines.writeable()) throw py::value_error("out must be writeable");
  const ColumnBags bags =
      column_bags(pooling, members, splits, columns, row_of, static_cast<std::size_t>(vectors.shape(1)));
  const auto num_rows = static_cast<std::size_t>(vectors.shape(0));
  const auto* const from = static_cast<const float*>(vectors.data());
  const Lines<float> to{span_of<float>(lines).data(), static_cast<std::size_t>(lines.shape(0)),
                        static_cast<std::size_t>(lines.shape(1))};
  if (to.num == 0 && has_no_lines(row_of, bags)) return;
  const py::gil_scoped_release unlocked;
  pool_columns(bags, from, num_rows, to);
}

void add_column_gradient(const std::string& pooling, const py::object& gradient, const py::object& members,
                         const py::object& splits, const py::object& columns, const py::object& row_of,
                         const py::object& out) {
  const py::array given = array_argument<float>(gradient, "gradient", 2);
  py::array sums = array_argument<float>(out, "out", 2);
  if (!sums.writeable()) throw py::value_error("out must be writeable");
  const ColumnBags bags =
      column_bags(pooling, members, splits, columns, row_of, static_cast<std::size_t>(sums.shape(1)));
  const auto num_rows = static_cast<std::size_t>(sums.shape(0));
  const Lines<const float> from{static_cast<const float*>(given.data()),
                                static_cast<std::size_t>(given.shape(0)),
                                static_cast<std::size_t>(given.shape(1))};
  float* const to = span_of<float>(sums).data();
  if (from.num == 0 && has_no_lines(row_of, bags)) return;
  const py::gil_scoped_release unlocked;
  pool_columns_gradient(bags, from, num_rows, to);
}

}  // namespace

void bind_pooling(py::module_& module) {
  module.def("pool", &pool_rows, py::arg("pooling"), py::arg("first_n"), py::arg("rows"), py::arg("members"),
             py::arg("splits"), py::arg("weights") = py::none(), py::arg("out") = py::none(),
             "Bags of rows as one vector each; see freshet/pooling.h.");
  module.def("pool_gradient", &pool_rows_gradient, py::arg("pooling"), py::arg("first_n"),
             py::arg("out_gradient"), py::arg("members"), py::arg("splits"), py::arg("num_rows"),
             py::arg("weights") = py::none(), py::arg("out") = py::none(),
             "The gradient with respect to the rows that `pool` was given, float32 [num_rows, dim].");
  module.def("pool_columns", &pool_rows_into_columns, py::arg("pooling"), py::arg("rows"), py::arg("members"),
             py::arg("splits"), py::arg("columns"), py::arg("row_of"), py::arg("out"),
             "Bags of several slots into their columns of a matrix; see freshet/column_pooling.h.");
  module.def("add_column_gradient", &add_column_gradient, py::arg("pooling"), py::arg("gradient"),
             py::arg("members"), py::arg("splits"), py::arg("columns"), py::arg("row_of"), py::arg("out"),
             "Adds the gradient with respect to the rows that `pool_columns` was given to `out`.");
}

}  // namespace freshet::python
