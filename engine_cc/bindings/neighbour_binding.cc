#include "array_arguments.h"
#include "bindings.h"
#include "freshet/neighbour_scores.h"

namespace freshet::python {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 31;

Neighbours neighbours_of(const py::object& targets, const py::object& weights, const py::object& used,
                         const py::object& counts, const py::object& is_alive) {
  const auto of_items = vector_argument<float>(counts, "counts");
  const std::size_t num = of_items.size();
  const py::array cells = array_argument<std::int32_t>(targets, "targets", 2);
  const auto width = static_cast<std::size_t>(cells.shape(1));
  const auto alive = vector_argument<bool>(is_alive, "is_alive");
  const auto filled = vector_argument<std::int32_t>(used, "used");
  if (alive.size() != num || filled.size() != num) {
    throw py::value_error("used, counts and is_alive must be of as many items, received " +
                          std::to_string(filled.size()) + ", " + std::to_string(num) + " and " +
                          std::to_string(alive.size()));
  }
  return {matrix_argument<std::int32_t>(targets, "targets", num, width),
          matrix_argument<float>(weights, "weights", num, width),
          filled,
          width,
          of_items,
          alive};
}

py::tuple as_columns(const std::vector<ScoredItem>& found) {
  py::array rows = py::array_t<std::int32_t>(static_cast<py::ssize_t>(found.size()));
  py::array scores = py::array_t<float>(static_cast<py::ssize_t>(found.size()));
  const auto to_rows = span_of<std::int32_t>(rows);
  const auto to_scores = span_of<float>(scores);
  for (std::size_t i = 0; i < found.size(); ++i) {
    to_rows[i] = found[i].item;
    to_scores[i] = found[i].score;
  }
  return py::make_tuple(rows, scores);
}

py::tuple best_neighbours(const py::tuple& neighbours, const py::object& history, const py::tuple& rule,
                          const py::object& names, const py::object& allowed, std::int64_t num) {
  if (neighbours.size() != 5) throw py::value_error("neighbours must have 5 arrays");
  if (rule.size() != 5) throw py::value_error("rule must have 5 numbers");
  if (num < 0 || num > kMost)
    throw py::value_error("num must be 0 to 2147483648, received " + std::to_string(num));
  const Neighbours of =
      neighbours_of(neighbours[0], neighbours[1], neighbours[2], neighbours[3], neighbours[4]);
  const NeighbourRule by{rule[0].cast<float>(), rule[1].cast<float>(), rule[2].cast<float>(),
                         rule[3].cast<double>(), rule[4].cast<std::size_t>()};
  const auto items = vector_argument<std::int64_t>(history, "history");
  for (const std::int64_t item : items) {
    if (item < static_cast<std::int64_t>(of.counts.size())) continue;
    throw py::value_error("history must be below " + std::to_string(of.counts.size()) + ", received " +
                          std::to_string(item));
  }
  const auto rows = vector_argument<std::int32_t>(names, "names");
  std::span<const bool> mask;
  if (!allowed.is_none()) mask = vector_argument<bool>(allowed, "allowed");
  // With the interpreter's lock: it is over sooner than the lock would come back.
  return as_columns(best_named(neighbour_scores(of, items, by), rows, allowed.is_none() ? nullptr : &mask,
                               static_cast<std::size_t>(num)));
}

}  // namespace

void bind_neighbours(py::module_& module) {
  module.def("best_neighbours", &best_neighbours, py::arg("neighbours"), py::arg("history"), py::arg("rule"),
             py::arg("names"), py::arg("allowed"), py::arg("num"),
             "What goes best with a history, by name: int32 [k] and scores float32 [k]; see "
             "freshet/neighbour_scores.h.");
}

}  // namespace freshet::python
