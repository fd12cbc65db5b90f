#include <cstdint>
#include <memory>

#include "array_arguments.h"
#include "bindings.h"
#include "freshet/serving_table.h"
#include "table_arguments.h"

namespace freshet::python {
namespace {

using Fid = std::uint64_t;

std::unique_ptr<ServingTable> make_table(std::uint32_t dim, const std::string& precision,
                                         std::uint64_t index_salt) {
  return std::make_unique<ServingTable>(dim, precision_argument(precision), index_salt);
}

py::array lookup(const ServingTable& table, const py::object& fids, const py::object& out) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  py::array vectors = output_argument<float>(out, "out", {keys.size(), table.dim()});
  const auto target = span_of<float>(vectors);
  const py::gil_scoped_release unlocked;
  table.lookup(keys, target);
  return vectors;
}

py::array contains(const ServingTable& table, const py::object& fids) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  py::array present = py::array_t<bool>(static_cast<py::ssize_t>(keys.size()));
  const auto target = span_of<bool>(present);
  const py::gil_scoped_release unlocked;
  table.contains(keys, target);
  return present;
}

void apply_delta(ServingTable& table, const py::object& fids, const py::object& vectors,
                 const py::object& deleted) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const auto values = matrix_argument<float>(vectors, "vectors", keys.size(), table.dim());
  const auto gone = vector_argument<Fid>(deleted, "deleted");
  const py::gil_scoped_release unlocked;
  table.apply_delta(keys, values, gone);
}

py::tuple export_rows(const ServingTable& table, std::uint64_t cursor, std::size_t min_rows) {
  ServingTable::Part part;
  {
    const py::gil_scoped_release unlocked;
    part = table.export_rows(cursor, min_rows);
  }
  const auto num_rows = static_cast<py::ssize_t>(part.fids.size());
  return py::make_tuple(part.next_cursor, take(std::move(part.fids)),
                        take(std::move(part.vectors), {num_rows, static_cast<py::ssize_t>(table.dim())}));
}

}  // namespace

void bind_serving_table(py::module_& module) {
  const auto unlocked = py::call_guard<py::gil_scoped_release>();
  py::class_<ServingTable>(module, "ServingTable",
                           "A replica's vectors of one dim; see freshet/serving_table.h.")
      .def(py::init(&make_table), py::kw_only(), py::arg("dim"), py::arg("precision"), py::arg("index_salt"))
      .def("lookup", &lookup, py::arg("fids"), py::arg("out") = py::none())
      .def("contains", &contains, py::arg("fids"))
      .def("apply_delta", &apply_delta, py::arg("fids"), py::arg("vectors"), py::arg("deleted"))
      .def("export_rows", &export_rows, py::arg("cursor"), py::arg("min_rows"))
      .def("size", &ServingTable::size)
      .def("memory_bytes", &ServingTable::memory_bytes, unlocked)
      .def("digest", &ServingTable::digest)
      .def("computed_digest", &ServingTable::computed_digest, unlocked)
      .def_property_readonly("dim", &ServingTable::dim);
}

}  // namespace freshet::python
