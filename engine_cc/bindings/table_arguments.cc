#include "table_arguments.h"

#include <pybind11/stl.h>

#include <array>
#include <tuple>
#include <utility>

namespace freshet::python {
namespace {

namespace py = pybind11;

using RuleTuple = std::tuple<std::uint16_t, std::string, std::uint32_t, double, std::uint32_t, std::uint32_t>;

constexpr std::array<std::pair<const char*, float OptimizerOptions::*>, 13> kNumbers{{
    {"initial_accumulator", &OptimizerOptions::initial_accumulator},
    {"momentum", &OptimizerOptions::momentum},
    {"beta1", &OptimizerOptions::beta1},
    {"beta2", &OptimizerOptions::beta2},
    {"epsilon", &OptimizerOptions::epsilon},
    {"rho", &OptimizerOptions::rho},
    {"l1", &OptimizerOptions::l1},
    {"l2", &OptimizerOptions::l2},
    {"learning_rate_power", &OptimizerOptions::learning_rate_power},
    {"beta", &OptimizerOptions::beta},
    {"weight_decay", &OptimizerOptions::weight_decay},
    {"clip_norm", &OptimizerOptions::clip_norm},
    {"clip_value", &OptimizerOptions::clip_value},
}};

[[noreturn]] void refuse(const char* field, const char* rule, const std::string& received) {
  throw py::value_error(std::string(field) + " must be " + rule + ", received " + received);
}

void set_field(OptimizerOptions& options, const std::string& name, const py::handle& value) {
  if (name == "nesterov") {
    options.nesterov = value.cast<bool>();
    return;
  }
  for (const auto& [known, member] : kNumbers) {
    if (name != known) continue;
    options.*member = value.cast<float>();
    return;
  }
  refuse("optimizer_options", "fields of an optimizer", name);
}

AdmissionKind admission_of(const std::string& name) {
  if (name == "always") return AdmissionKind::kAlways;
  if (name == "min_count") return AdmissionKind::kMinCount;
  if (name == "probability") return AdmissionKind::kProbability;
  refuse("admission", "always, min_count or probability", name);
}

}  // namespace

Precision precision_argument(const std::string& name) {
  if (name == "float32") return Precision::kFloat32;
  if (name == "float16") return Precision::kFloat16;
  if (name == "int8") return Precision::kInt8;
  refuse("precision", "float32, float16 or int8", name);
}

Evict evict_argument(const std::string& name) {
  if (name == "least_recent") return Evict::kLeastRecent;
  if (name == "least_often") return Evict::kLeastOften;
  refuse("evict", "least_recent or least_often", name);
}

OptimizerOptions optimizer_argument(const std::string& kind, const py::dict& fields) {
  OptimizerOptions options;
  options.kind = optimizer_kind_of(kind);
  for (const auto& [name, value] : fields) {
    const auto field = py::cast<std::string>(name);
    try {
      set_field(options, field, value);
    } catch (const py::cast_error&) {
      throw py::type_error(field + " must be a number, received " +
                           std::string(py::str(py::type::of(value).attr("__name__"))));
    }
  }
  return options;
}

SlotRules rules_argument(const py::sequence& tuples) {
  SlotRules rules;
  for (const py::handle& tuple : tuples) {
    RuleTuple given;
    try {
      given = tuple.cast<RuleTuple>();
    } catch (const py::cast_error&) {
      throw py::type_error(
          "slot_rules must be tuples (slot, admission, min_count, probability, window_s, ttl_s), received " +
          std::string(py::str(py::repr(tuple))));
    }
    const auto& [slot, admission, min_count, probability, window_s, ttl_s] = given;
    rules.set(slot, {admission_of(admission), min_count, probability, window_s, ttl_s});
  }
  return rules;
}

}  // namespace freshet::python
