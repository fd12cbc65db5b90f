#include <cstdint>
#include <memory>
#include <optional>

#include "array_arguments.h"
#include "bindings.h"
#include "freshet/table.h"

namespace freshet::python {
namespace {

using Fid = std::uint64_t;
using SlotNumber = std::uint16_t;

std::unique_ptr<Table> make_table(std::uint32_t dim, std::uint64_t seed, float init_scale,
                                  float initial_accumulator, std::uint64_t index_salt) {
  return std::make_unique<Table>(TableOptions{dim, seed, init_scale, initial_accumulator, index_salt});
}

py::array lookup(const Table& table, const py::object& fids, const py::object& out) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  py::array vectors = output_argument<float>(out, "out", keys.size(), table.dim());
  const auto target = span_of<float>(vectors);
  const py::gil_scoped_release unlocked;
  table.lookup(keys, target);
  return vectors;
}

py::array lookup_or_create(Table& table, const py::object& fids, const py::object& slots,
                           const py::object& out) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const auto numbers = vector_argument<SlotNumber>(slots, "slots");
  py::array vectors = output_argument<float>(out, "out", keys.size(), table.dim());
  const auto target = span_of<float>(vectors);
  const py::gil_scoped_release unlocked;
  table.lookup_or_create(keys, numbers, target);
  return vectors;
}

py::array contains(const Table& table, const py::object& fids) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  py::array present = py::array_t<bool>(static_cast<py::ssize_t>(keys.size()));
  const auto target = span_of<bool>(present);
  const py::gil_scoped_release unlocked;
  table.contains(keys, target);
  return present;
}

py::tuple apply_gradients(Table& table, const py::object& fids, const py::object& grads,
                          float learning_rate) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const auto values = matrix_argument<float>(grads, "grads", keys.size(), table.dim());
  ApplyResult result;
  {
    const py::gil_scoped_release unlocked;
    result = table.apply_gradients(keys, values, learning_rate);
  }
  return py::make_tuple(result.num_applied, result.num_absent, result.num_rejected);
}

void assign(Table& table, const py::object& fids, const py::object& slots, const py::object& vectors) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const auto numbers = vector_argument<SlotNumber>(slots, "slots");
  const auto values = matrix_argument<float>(vectors, "vectors", keys.size(), table.dim());
  const py::gil_scoped_release unlocked;
  table.assign(keys, numbers, values);
}

std::size_t erase(Table& table, const py::object& fids) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const py::gil_scoped_release unlocked;
  return table.erase(keys);
}

py::tuple export_delta(Table& table, std::size_t max_rows) {
  Delta delta;
  {
    const py::gil_scoped_release unlocked;
    delta = table.export_delta(max_rows);
  }
  const auto num_rows = static_cast<py::ssize_t>(delta.fids.size());
  const auto dim = static_cast<py::ssize_t>(table.dim());
  return py::make_tuple(take(std::move(delta.fids)), take(std::move(delta.slots)),
                        take(std::move(delta.vectors), {num_rows, dim}), take(std::move(delta.deleted)));
}

void apply_delta(Table& table, const py::object& fids, const py::object& slots, const py::object& vectors,
                 const py::object& deleted) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const auto numbers = vector_argument<SlotNumber>(slots, "slots");
  const auto values = matrix_argument<float>(vectors, "vectors", keys.size(), table.dim());
  const auto gone = vector_argument<Fid>(deleted, "deleted");
  const py::gil_scoped_release unlocked;
  table.apply_delta(keys, numbers, values, gone);
}

py::tuple export_rows(const Table& table, std::uint64_t cursor, std::size_t max_rows) {
  Rows rows;
  {
    const py::gil_scoped_release unlocked;
    rows = table.export_rows(cursor, max_rows);
  }
  const auto num_rows = static_cast<py::ssize_t>(rows.fids.size());
  const auto dim = static_cast<py::ssize_t>(table.dim());
  return py::make_tuple(rows.next_cursor, take(std::move(rows.fids)), take(std::move(rows.slots)),
                        take(std::move(rows.vectors), {num_rows, dim}),
                        take(std::move(rows.accumulators), {num_rows, dim}),
                        take(std::move(rows.touched)).attr("view")(py::dtype::of<bool>()));
}

void import_rows(Table& table, const py::object& fids, const py::object& slots, const py::object& vectors,
                 const py::object& accumulators, const py::object& touched) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const auto numbers = vector_argument<SlotNumber>(slots, "slots");
  const auto values = matrix_argument<float>(vectors, "vectors", keys.size(), table.dim());
  std::span<const float> state;
  if (!accumulators.is_none()) {
    state = matrix_argument<float>(accumulators, "accumulators", keys.size(), table.dim());
  }
  std::span<const std::uint8_t> flags;
  if (!touched.is_none()) {
    const auto given = vector_argument<bool>(touched, "touched");
    flags = {reinterpret_cast<const std::uint8_t*>(given.data()), given.size()};
  }
  const py::gil_scoped_release unlocked;
  table.import_rows(keys, numbers, values, state, flags);
}

py::array pending_deletes(const Table& table) {
  std::vector<Fid> fids;
  {
    const py::gil_scoped_release unlocked;
    fids = table.pending_deletes();
  }
  return take(std::move(fids));
}

void import_deletes(Table& table, const py::object& fids) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const py::gil_scoped_release unlocked;
  table.import_deletes(keys);
}

}  // namespace

void bind_table(py::module_& module) {
  const auto unlocked = py::call_guard<py::gil_scoped_release>();
  py::class_<Table>(module, "Table", "Embedding rows of one dim with sparse Adagrad; see freshet/table.h.")
      .def(py::init(&make_table), py::kw_only(), py::arg("dim"), py::arg("seed"), py::arg("init_scale"),
           py::arg("initial_accumulator"), py::arg("index_salt"))
      .def("lookup", &lookup, py::arg("fids"), py::arg("out") = py::none())
      .def("lookup_or_create", &lookup_or_create, py::arg("fids"), py::arg("slots"),
           py::arg("out") = py::none())
      .def("contains", &contains, py::arg("fids"))
      .def("apply_gradients", &apply_gradients, py::arg("fids"), py::arg("grads"), py::arg("learning_rate"))
      .def("assign", &assign, py::arg("fids"), py::arg("slots"), py::arg("vectors"))
      .def("erase", &erase, py::arg("fids"))
      .def("export_delta", &export_delta, py::arg("max_rows"))
      .def("acknowledge_delta", &Table::acknowledge_delta, unlocked)
      .def("restore_delta", &Table::restore_delta, unlocked)
      .def("forget_touched", &Table::forget_touched, unlocked)
      .def("apply_delta", &apply_delta, py::arg("fids"), py::arg("slots"), py::arg("vectors"),
           py::arg("deleted"))
      .def("export_rows", &export_rows, py::arg("cursor"), py::arg("max_rows"))
      .def("import_rows", &import_rows, py::arg("fids"), py::arg("slots"), py::arg("vectors"),
           py::arg("accumulators") = py::none(), py::arg("touched") = py::none())
      .def("pending_deletes", &pending_deletes)
      .def("import_deletes", &import_deletes, py::arg("fids"))
      .def("size", &Table::size, unlocked)
      .def("memory_bytes", &Table::memory_bytes, unlocked)
      .def("digest", &Table::digest, unlocked)
      .def("num_touched", &Table::num_touched, unlocked)
      .def_property_readonly("dim", &Table::dim);
}

}  // namespace freshet::python
