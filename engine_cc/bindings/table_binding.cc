#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "array_arguments.h"
#include "bindings.h"
#include "freshet/table.h"
#include "row_tuples.h"
#include "sighted_batch.h"
#include "table_arguments.h"

namespace freshet::python {
namespace {

using Fid = std::uint64_t;
using SlotNumber = std::uint16_t;

std::unique_ptr<Table> make_table(std::uint32_t dim, std::uint64_t seed, std::uint64_t index_salt,
                                  const std::string& initializer, float init_scale,
                                  const std::string& optimizer, const py::dict& optimizer_options,
                                  const py::sequence& slot_rules, const std::string& digest_precision,
                                  std::uint64_t max_rows, const std::string& evict,
                                  std::size_t max_candidates) {
  TableOptions options;
  options.dim = dim;
  options.seed = seed;
  options.index_salt = index_salt;
  options.initializer = {initializer_kind_of(initializer), init_scale};
  options.optimizer = optimizer_argument(optimizer, optimizer_options);
  options.rules = rules_argument(slot_rules);
  options.digest_precision = precision_argument(digest_precision);
  options.max_rows = max_rows;
  options.evict = evict_argument(evict);
  options.max_candidates = max_candidates;
  return std::make_unique<Table>(options);
}

Table::Absent absent_argument(const std::string& name) {
  if (name == "zeros") return Table::Absent::kZeros;
  if (name == "initial") return Table::Absent::kInitial;
  throw py::value_error("absent must be zeros or initial, received " + name);
}

/// Event times: a uint32 array or one integer for the whole batch.
class SeenAt {
 public:
  explicit SeenAt(const py::object& value) {
    if (py::isinstance<py::array>(value) && py::cast<py::array>(value).ndim() != 0) {
      times_ = vector_argument<std::uint32_t>(value, "seen_at_s");
      return;
    }
    if (PyIndex_Check(value.ptr()) == 0) {
      throw py::type_error("seen_at_s must be an integer or a NumPy array of uint32, received " +
                           std::string(py::str(py::type::of(value).attr("__name__"))));
    }
    const py::int_ number = py::reinterpret_steal<py::int_>(PyNumber_Index(value.ptr()));
    if (!number) throw py::error_already_set();
    int overflow = 0;
    const long long seconds = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow != 0 || seconds < 0 || seconds > UINT32_MAX) {
      throw py::value_error("seen_at_s must be 0 to 4294967295, received " + std::string(py::str(number)));
    }
    one_ = static_cast<std::uint32_t>(seconds);
    times_ = {&one_, 1};
  }
  SeenAt(const SeenAt&) = delete;
  SeenAt& operator=(const SeenAt&) = delete;

  std::span<const std::uint32_t> times() const noexcept { return times_; }

 private:
  std::uint32_t one_ = 0;
  std::span<const std::uint32_t> times_;
};

const SightedBatch& batch_argument(const Table& table, const BoundBatch& batch) {
  if (batch.table != &table) throw py::value_error("batch must be of this table's sight, received another's");
  return batch.batch;
}

py::tuple as_tuple(const ApplyResult& result) {
  return py::make_tuple(result.num_applied, result.num_absent, result.num_rejected);
}

// Reading and sighting.

py::array lookup(const Table& table, const py::object& fids, const py::object& out,
                 const std::string& absent) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const Table::Absent missing = absent_argument(absent);
  py::array vectors = output_argument<float>(out, "out", {keys.size(), table.dim()});
  const auto target = span_of<float>(vectors);
  const py::gil_scoped_release unlocked;
  table.lookup(keys, target, missing);
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

py::array lookup_or_create(Table& table, const py::object& fids, const py::object& slots,
                           const py::object& seen_at_s, const py::object& out) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const auto numbers = vector_argument<SlotNumber>(slots, "slots");
  const SeenAt seen_at(seen_at_s);
  py::array vectors = output_argument<float>(out, "out", {keys.size(), table.dim()});
  const auto target = span_of<float>(vectors);
  const py::gil_scoped_release unlocked;
  table.lookup_or_create(keys, numbers, seen_at.times(), target);
  return vectors;
}

/// A plan that a failure left half made is nobody's.
void plan(const Table& table, const py::object& fids, BoundPlan& into) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const py::gil_scoped_release unlocked;
  into.table = nullptr;
  into.fids.assign(keys.begin(), keys.end());
  table.plan(keys, into.plan);
  into.table = &table;
}

std::unique_ptr<BoundBatch> sight(Table& table, const py::object& fids, const py::object& slots,
                                  const py::object& seen_at_s, const BoundPlan* planned) {
  const auto keys = vector_argument<Fid>(fids, "fids");
  const auto numbers = vector_argument<SlotNumber>(slots, "slots");
  const SeenAt seen_at(seen_at_s);
  if (planned == nullptr) {
    const py::gil_scoped_release unlocked;
    return std::make_unique<BoundBatch>(BoundBatch{&table, table.sight(keys, numbers, seen_at.times())});
  }
  if (planned->table != &table || !std::ranges::equal(planned->fids, keys)) {
    throw py::value_error("plan must be of this table and of these fids, received another's");
  }
  const py::gil_scoped_release unlocked;
  return std::make_unique<BoundBatch>(
      BoundBatch{&table, table.sight(planned->plan, numbers, seen_at.times())});
}

py::array gather(const Table& table, const BoundBatch& batch, const py::object& out) {
  const SightedBatch& sighted = batch_argument(table, batch);
  py::array vectors = output_argument<float>(out, "out", {sighted.fids.size(), table.dim()});
  const auto target = span_of<float>(vectors);
  const py::gil_scoped_release unlocked;
  table.gather(sighted, target);
  return vectors;
}

// Learning and other changes.

py::tuple apply(Table& table, const BoundBatch& batch, const py::object& grads, float learning_rate) {
  const SightedBatch& sighted = batch_argument(table, batch);
  const auto values = matrix_argument<float>(grads, "grads", sighted.fids.size(), table.dim());
  ApplyResult result;
  {
    const py::gil_scoped_release unlocked;
    result = table.apply(sighted, values, learning_rate);
  }
  return as_tuple(result);
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
  return as_tuple(result);
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

// What is in it.

std::vector<std::uint64_t> shard_sizes(const Table& table) {
  std::vector<std::uint64_t> sizes(Table::kNumShards);
  table.for_each_shard([&](unsigned shard, std::uint64_t num_rows) { sizes[shard] = num_rows; });
  return sizes;
}

py::dict counters(const Table& table) {
  TableCounters now;
  {
    const py::gil_scoped_release unlocked;
    now = table.counters();
  }
  py::dict named;
  named["num_created"] = now.num_created;
  named["num_expired"] = now.num_expired;
  named["num_over_budget"] = now.num_over_budget;
  named["num_erased"] = now.num_erased;
  named["num_turned_away"] = now.num_turned_away;
  named["num_candidates"] = now.num_candidates;
  named["candidate_bytes"] = now.candidate_bytes;
  named["num_candidates_dropped"] = now.num_candidates_dropped;
  named["num_candidates_decayed"] = now.num_candidates_decayed;
  return named;
}

py::list slot_counts(const Table& table) {
  std::vector<SlotCount> counts;
  {
    const py::gil_scoped_release unlocked;
    counts = table.slot_counts();
  }
  py::list listed;
  for (const SlotCount& count : counts) {
    listed.append(py::make_tuple(count.slot, count.num_admitted, count.num_expired, count.num_over_budget,
                                 count.num_turned_away));
  }
  return listed;
}

// Delta.

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

// Rows, candidates and state.

py::tuple export_rows(const Table& table, std::uint64_t cursor, std::size_t min_rows) {
  Rows rows;
  {
    const py::gil_scoped_release unlocked;
    rows = table.export_rows(cursor, min_rows);
  }
  const std::uint64_t next_cursor = rows.next_cursor;
  return py::make_tuple(next_cursor, row_tuple(std::move(rows), table.dim(), table.num_state_floats()));
}

void import_rows(Table& table, const py::object& fids, const py::object& slots, const py::object& vectors,
                 const py::object& seen_at_s, const py::object& counts, const py::object& states,
                 const py::object& touched) {
  Rows rows;
  rows.fids = optional_vector<Fid>(fids, "fids");
  rows.slots = optional_vector<SlotNumber>(slots, "slots");
  rows.seen_at_s = optional_vector<std::uint32_t>(seen_at_s, "seen_at_s");
  rows.counts = optional_vector<std::uint8_t>(counts, "counts");
  const auto values = matrix_argument<float>(vectors, "vectors", rows.fids.size(), table.dim());
  rows.vectors.assign(values.begin(), values.end());
  if (!states.is_none()) {
    const auto floats = matrix_argument<float>(states, "states", rows.fids.size(), table.num_state_floats());
    rows.states.assign(floats.begin(), floats.end());
  }
  if (!touched.is_none()) {
    const auto flags = vector_argument<bool>(touched, "touched");
    rows.touched.assign(flags.begin(), flags.end());
  }
  const py::gil_scoped_release unlocked;
  table.import_rows(rows);
}

py::tuple export_candidates(const Table& table) {
  Candidates candidates;
  {
    const py::gil_scoped_release unlocked;
    candidates = table.export_candidates();
  }
  return candidate_tuple(std::move(candidates));
}

void import_candidates(Table& table, const py::object& fids, const py::object& slots,
                       const py::object& counts, const py::object& since_s) {
  const Candidates candidates{optional_vector<Fid>(fids, "fids"), optional_vector<SlotNumber>(slots, "slots"),
                              optional_vector<std::uint32_t>(counts, "counts"),
                              optional_vector<std::uint32_t>(since_s, "since_s")};
  const py::gil_scoped_release unlocked;
  table.import_candidates(candidates);
}

py::array export_state(const Table& table) {
  std::vector<std::uint64_t> words;
  {
    const py::gil_scoped_release unlocked;
    words = table.export_state();
  }
  return take(std::move(words));
}

void import_state(Table& table, const py::object& words) {
  const auto given = vector_argument<std::uint64_t>(words, "words");
  const py::gil_scoped_release unlocked;
  table.import_state(given);
}

void bind_reading(py::class_<Table>& type) {
  const auto unlocked = py::call_guard<py::gil_scoped_release>();
  type.def("lookup", &lookup, py::arg("fids"), py::arg("out") = py::none(), py::arg("absent") = "zeros")
      .def("contains", &contains, py::arg("fids"))
      .def("gather", &gather, py::arg("batch"), py::arg("out") = py::none())
      .def("size", &Table::size)
      .def("warm", &Table::warm, py::arg("num_rows"), unlocked)
      .def("memory_bytes", &Table::memory_bytes, unlocked)
      .def("digest", &Table::digest, unlocked)
      .def("computed_digest", &Table::computed_digest, unlocked)
      .def("counters", &counters)
      .def("slot_counts", &slot_counts)
      .def("shard_sizes", &shard_sizes, unlocked)
      .def_property_readonly("dim", &Table::dim)
      .def_property_readonly("num_state_floats", &Table::num_state_floats)
      .def_static(
          "bytes_per_row",
          [](std::uint32_t dim, const std::string& optimizer, const py::dict& optimizer_options) {
            return Table::bytes_per_row(dim, optimizer_argument(optimizer, optimizer_options));
          },
          py::arg("dim"), py::arg("optimizer"), py::arg("optimizer_options"));
}

void bind_changes(py::class_<Table>& type) {
  type.def("lookup_or_create", &lookup_or_create, py::arg("fids"), py::arg("slots"), py::arg("seen_at_s"),
           py::arg("out") = py::none())
      .def("plan", &plan, py::arg("fids"), py::arg("into"))
      .def("sight", &sight, py::arg("fids"), py::arg("slots"), py::arg("seen_at_s"),
           py::arg("plan") = static_cast<const BoundPlan*>(nullptr), py::keep_alive<0, 1>())
      .def("apply", &apply, py::arg("batch"), py::arg("grads"), py::arg("learning_rate"))
      .def("apply_gradients", &apply_gradients, py::arg("fids"), py::arg("grads"), py::arg("learning_rate"))
      .def("assign", &assign, py::arg("fids"), py::arg("slots"), py::arg("vectors"))
      .def("erase", &erase, py::arg("fids"))
      .def("expire", &Table::expire, py::arg("now_s"), py::arg("num_rows"),
           py::call_guard<py::gil_scoped_release>());
}

void bind_delta(py::class_<Table>& type) {
  const auto unlocked = py::call_guard<py::gil_scoped_release>();
  type.def("num_touched", &Table::num_touched, unlocked)
      .def("export_delta", &export_delta, py::arg("max_rows"))
      .def("acknowledge_delta", &Table::acknowledge_delta, unlocked)
      .def("restore_delta", &Table::restore_delta, unlocked)
      .def("forget_touched", &Table::forget_touched, unlocked)
      .def("pending_deletes", &pending_deletes)
      .def("import_deletes", &import_deletes, py::arg("fids"));
}

void bind_rows(py::class_<Table>& type) {
  type.def("export_rows", &export_rows, py::arg("cursor"), py::arg("min_rows"))
      .def("import_rows", &import_rows, py::arg("fids"), py::arg("slots"), py::arg("vectors"),
           py::arg("seen_at_s") = py::none(), py::arg("counts") = py::none(), py::arg("states") = py::none(),
           py::arg("touched") = py::none())
      .def("export_candidates", &export_candidates)
      .def("import_candidates", &import_candidates, py::arg("fids"), py::arg("slots"), py::arg("counts"),
           py::arg("since_s"))
      .def("export_state", &export_state)
      .def("import_state", &import_state, py::arg("words"));
}

}  // namespace

void bind_table(py::module_& module) {
  py::class_<Table> type(module, "Table", "Embedding rows of one dim and optimizer; see freshet/table.h.");
  type.def(py::init(&make_table), py::kw_only(), py::arg("dim"), py::arg("seed"), py::arg("index_salt"),
           py::arg("initializer"), py::arg("init_scale"), py::arg("optimizer"), py::arg("optimizer_options"),
           py::arg("slot_rules"), py::arg("digest_precision"), py::arg("max_rows"), py::arg("evict"),
           py::arg("max_candidates"));
  bind_reading(type);
  bind_changes(type);
  bind_delta(type);
  bind_rows(type);
}

}  // namespace freshet::python
