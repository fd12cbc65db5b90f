#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "array_arguments.h"
#include "bindings.h"
#include "freshet/dense_program.h"
#include "freshet/record_pooling.h"
#include "freshet/serving_table.h"
#include "pooling_argument.h"

namespace freshet::python {
namespace {

/// Candidates, from which on a pass takes so long that others should have the interpreter meanwhile.
constexpr std::size_t kWorthUnlocking = 16;

/// (register, column)
using PlaceArgument = std::pair<std::uint32_t, std::uint32_t>;
/// (pooling, words, starts), or None
using RecordsArgument = std::optional<std::tuple<const RecordPooling*, py::object, py::object>>;

Place place(const PlaceArgument& given) { return {given.first, given.second}; }

std::vector<Place> places(const std::vector<PlaceArgument>& given) {
  std::vector<Place> all;
  for (const PlaceArgument& each : given) all.push_back(place(each));
  return all;
}

Activation activation(const std::string& kind) {
  if (kind == "sigmoid") return Activation::kSigmoid;
  if (kind == "gate") return Activation::kGate;
  if (kind == "tanh") return Activation::kTanh;
  if (kind == "softmax") return Activation::kSoftmax;
  if (kind == "prelu") return Activation::kPrelu;
  if (kind == "dice") return Activation::kDice;
  throw py::value_error("kind must be sigmoid, gate, tanh, softmax, prelu or dice, received " + kind);
}

CombineStep::Kind combination(const std::string& kind) {
  if (kind == "copy") return CombineStep::Kind::kCopy;
  if (kind == "add") return CombineStep::Kind::kAdd;
  if (kind == "multiply") return CombineStep::Kind::kMultiply;
  throw py::value_error("kind must be copy, add or multiply, received " + kind);
}

void add_linear(DenseProgram& program, const PlaceArgument& from, const py::object& weights,
                const py::object& bias, const std::optional<PlaceArgument>& first, bool rectifies,
                const PlaceArgument& to) {
  const py::array kernel = array_argument<float>(weights, "weights", 2);
  const std::span<const float> values{static_cast<const float*>(kernel.data()),
                                      static_cast<std::size_t>(kernel.size())};
  std::optional<Place> begun;
  if (first) begun = place(*first);
  program.add_step(LinearStep{place(from),
                              PackedMatrix(values, static_cast<std::size_t>(kernel.shape(0)),
                                           static_cast<std::size_t>(kernel.shape(1))),
                              optional_vector<float>(bias, "bias"), begun, rectifies, place(to)});
}

std::unique_ptr<RecordPooling> make_pooling(
    const std::vector<std::tuple<std::uint32_t, std::string, std::uint32_t>>& slots, std::uint32_t num_dense,
    std::uint32_t dense_column) {
  std::vector<RecordPooling::Slot> all;
  for (const auto& [table, pooling, column] : slots)
    all.push_back({table, pooling_argument(pooling), column});
  return std::make_unique<RecordPooling>(std::move(all), num_dense, dense_column);
}

class MatrixSource : public InputSource {
 public:
  explicit MatrixSource(const float* first) : first_(first) {}
  void fill(std::size_t first, Lines<float> lines) const override {
    std::copy_n(first_ + first * lines.width, lines.num * lines.width, lines.first);
  }

 private:
  const float* first_;
};

class RecordSource : public InputSource {
 public:
  RecordSource(const RecordPooling& pooling, const Records& records,
               std::span<const ServingTable* const> tables)
      : pooling_(pooling), records_(records), tables_(tables) {}
  void fill(std::size_t first, Lines<float> lines) const override {
    pooling_.pool(records_, tables_, first, lines);
  }

 private:
  const RecordPooling& pooling_;
  Records records_;
  std::span<const ServingTable* const> tables_;
};

void check_rows(std::size_t received, std::size_t wanted, const std::string& name) {
  if (received == wanted) return;
  throw py::value_error(name + " must have " + std::to_string(wanted) + " rows, received " +
                        std::to_string(received));
}

py::array run_matrices(const DenseProgram& program, const py::object& asker, const py::object& candidates,
                       const py::object& pairs, const PlaceArgument& result, std::size_t num_columns) {
  const auto num = static_cast<std::size_t>(array_argument<float>(candidates, "candidates", 2).shape(0));
  const auto one = matrix_argument<float>(asker, "asker", 1, program.width(DenseProgram::kAsker));
  const auto many =
      matrix_argument<float>(candidates, "candidates", num, program.width(DenseProgram::kCandidates));
  const auto both = matrix_argument<float>(pairs, "pairs", num, program.width(DenseProgram::kPairs));
  py::array out = py::array_t<float>({num, num_columns});
  const Lines<float> lines{span_of<float>(out).data(), num, num_columns};
  const MatrixSource asker_source(one.data());
  const MatrixSource candidate_source(many.data());
  const MatrixSource pair_source(both.data());
  const std::array<const InputSource*, 3> sources{&asker_source, &candidate_source, &pair_source};
  const py::gil_scoped_release unlocked;
  program.run(sources, place(result), lines);
  return out;
}

Records records_of(const RecordsArgument& given) {
  return {vector_argument<std::uint64_t>(std::get<1>(*given), "words"),
          vector_argument<std::int64_t>(std::get<2>(*given), "starts")};
}

py::array run_records(const DenseProgram& program, const std::vector<const ServingTable*>& tables,
                      const RecordsArgument& asker, const RecordsArgument& candidates,
                      const RecordsArgument& pairs, const PlaceArgument& result, std::size_t num_columns) {
  if (!asker || !candidates) throw py::value_error("asker and candidates must be given, received None");
  const std::size_t num = records_of(candidates).starts.size();
  const std::array<const RecordsArgument*, 3> given{&asker, &candidates, &pairs};
  const std::array<std::string, 3> names{"asker", "candidates", "pairs"};
  std::array<std::optional<RecordSource>, 3> made;
  std::array<const InputSource*, 3> sources{};
  for (std::uint32_t of = 0; of < 3; ++of) {
    if (!*given[of]) continue;
    const Records records = records_of(*given[of]);
    check_rows(records.starts.size(), of == DenseProgram::kAsker ? 1 : num, names[of]);
    const RecordPooling* const pooling = std::get<0>(**given[of]);
    if (pooling == nullptr) throw py::value_error(names[of] + " must have a pooling, received None");
    pooling->check(records, tables, program.width(of));
    sources[of] = &made[of].emplace(*pooling, records, tables);
  }
  py::array out = py::array_t<float>({num, num_columns});
  const Lines<float> lines{span_of<float>(out).data(), num, num_columns};
  // One user's vector is there sooner than the interpreter's lock would come back.
  std::optional<py::gil_scoped_release> unlocked;
  if (num >= kWorthUnlocking) unlocked.emplace();
  program.run(sources, place(result), lines);
  return out;
}

void bind_steps(py::class_<DenseProgram>& program) {
  program.def("add_linear", &add_linear, py::arg("source"), py::arg("weights"), py::arg("bias"),
              py::arg("first"), py::arg("rectifies"), py::arg("to"));
  program.def(
      "add_standardise",
      [](DenseProgram& self, const py::object& means, const py::object& factors, float limit,
         const PlaceArgument& to) {
        self.add_step(StandardiseStep{optional_vector<float>(means, "means"),
                                      optional_vector<float>(factors, "factors"), limit, place(to)});
      },
      py::arg("means"), py::arg("factors"), py::arg("limit"), py::arg("to"));
  program.def(
      "add_activation",
      [](DenseProgram& self, const std::string& kind, std::uint32_t width, const py::object& parameters,
         const PlaceArgument& to) {
        self.add_step(ActivationStep{activation(kind), width,
                                     optional_vector<float>(parameters, "parameters"), place(to)});
      },
      py::arg("kind"), py::arg("width"), py::arg("parameters"), py::arg("to"));
  program.def(
      "add_sums",
      [](DenseProgram& self, const std::vector<PlaceArgument>& fields, std::uint32_t dim,
         const PlaceArgument& to) { self.add_step(SumsStep{places(fields), dim, place(to)}); },
      py::arg("fields"), py::arg("dim"), py::arg("to"));
  program.def(
      "add_pairs",
      [](DenseProgram& self, const std::vector<PlaceArgument>& sums, std::uint32_t dim, bool is_summed,
         const PlaceArgument& to) { self.add_step(PairsStep{places(sums), dim, is_summed, place(to)}); },
      py::arg("sums"), py::arg("dim"), py::arg("is_summed"), py::arg("to"));
  program.def(
      "add_combination",
      [](DenseProgram& self, const std::string& kind, const PlaceArgument& from, std::uint32_t width,
         const PlaceArgument& to) {
        self.add_step(CombineStep{combination(kind), place(from), width, place(to)});
      },
      py::arg("kind"), py::arg("source"), py::arg("width"), py::arg("to"));
  program.def(
      "add_mixture",
      [](DenseProgram& self, const PlaceArgument& weights, const std::vector<PlaceArgument>& parts,
         std::uint32_t width, const PlaceArgument& to) {
        self.add_step(MixStep{place(weights), places(parts), width, place(to)});
      },
      py::arg("weights"), py::arg("parts"), py::arg("width"), py::arg("to"));
  program.def(
      "add_scaling",
      [](DenseProgram& self, const PlaceArgument& weights, const std::vector<std::uint32_t>& widths,
         const PlaceArgument& to) { self.add_step(ScaleStep{place(weights), widths, place(to)}); },
      py::arg("weights"), py::arg("widths"), py::arg("to"));
  program.def(
      "add_dots",
      [](DenseProgram& self, const std::vector<PlaceArgument>& vectors, std::uint32_t dim,
         const PlaceArgument& to) { self.add_step(DotsStep{places(vectors), dim, place(to)}); },
      py::arg("vectors"), py::arg("dim"), py::arg("to"));
}

}  // namespace

void bind_dense_program(py::module_& module) {
  py::class_<RecordPooling>(module, "RecordPooling",
                            "Where a record's inputs go; see freshet/record_pooling.h.")
      .def(py::init(&make_pooling), py::arg("slots"), py::arg("num_dense"), py::arg("dense_column"));
  py::class_<DenseProgram> program(module, "DenseProgram",
                                   "The dense part of a model; see freshet/dense_program.h.");
  program
      .def(py::init<std::size_t, std::size_t, std::size_t>(), py::arg("asker_width"),
           py::arg("candidate_width"), py::arg("pair_width"))
      .def("add_register", &DenseProgram::add_register, py::arg("width"), py::arg("is_of_asker"))
      .def("memory_bytes", &DenseProgram::memory_bytes)
      .def("run", &run_matrices, py::arg("asker"), py::arg("candidates"), py::arg("pairs"), py::arg("result"),
           py::arg("num_columns"))
      .def("run_records", &run_records, py::arg("tables"), py::arg("asker"), py::arg("candidates"),
           py::arg("pairs"), py::arg("result"), py::arg("num_columns"));
  bind_steps(program);
}

}  // namespace freshet::python
