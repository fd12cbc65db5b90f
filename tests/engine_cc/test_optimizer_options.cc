// Options that make no sense are refused where they enter, by field, rule and value; kinds have names.

#include <limits>
#include <stdexcept>
#include <string>

#include "check.h"
#include "freshet/optimizer.h"

using namespace freshet;

namespace {

constexpr auto kKinds = {OptimizerKind::kSgd,     OptimizerKind::kMomentum, OptimizerKind::kAdagrad,
                         OptimizerKind::kAdam,    OptimizerKind::kAmsgrad,  OptimizerKind::kAdadelta,
                         OptimizerKind::kRmsprop, OptimizerKind::kFtrl,     OptimizerKind::kGroupFtrl};

std::string refusal(const OptimizerOptions& options, std::uint32_t dim = 4) {
  try {
    const Optimizer optimizer(options, dim);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

void test_wrong_options_are_refused_by_name_rule_and_value() {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  using K = OptimizerKind;
  CHECK(refusal({}, 0) == "dim must be 1 to 4096, received 0");
  CHECK(refusal({}, 4097) == "dim must be 1 to 4096, received 4097");
  CHECK(refusal({}, 4096) == "accepted");
  CHECK(refusal({.initial_accumulator = 0}) == "initial_accumulator must be finite and positive, received 0");
  CHECK(refusal({.initial_accumulator = nan}) ==
        "initial_accumulator must be finite and positive, received nan");
  CHECK(refusal({.kind = K::kMomentum, .momentum = 1}) ==
        "momentum must be at least 0 and below 1, received 1");
  CHECK(refusal({.kind = K::kRmsprop, .momentum = -1}) ==
        "momentum must be at least 0 and below 1, received -1");
  CHECK(refusal({.kind = K::kAdam, .beta1 = -0.1F}) == "beta1 must be at least 0 and below 1, received -0.1");
  CHECK(refusal({.kind = K::kAmsgrad, .beta2 = 1.5F}) ==
        "beta2 must be at least 0 and below 1, received 1.5");
  CHECK(refusal({.kind = K::kAdam, .epsilon = 0}) == "epsilon must be finite and positive, received 0");
  CHECK(refusal({.kind = K::kAdadelta, .rho = nan}) == "rho must be at least 0 and below 1, received nan");
  CHECK(refusal({.kind = K::kFtrl, .l1 = -1}) == "l1 must be finite and not negative, received -1");
  CHECK(refusal({.kind = K::kFtrl, .learning_rate_power = 0.5F}) ==
        "learning_rate_power must be -1 to 0, received 0.5");
  CHECK(refusal({.kind = K::kFtrl, .initial_accumulator = 0})
            .starts_with("initial_accumulator must be positive"));
  CHECK(refusal({.kind = K::kGroupFtrl, .initial_accumulator = 0, .beta = 1}) == "accepted");
  CHECK(refusal({.kind = K::kFtrl, .weight_decay = 0.1F}) ==
        "weight_decay must be 0 with FTRL, whose weights follow from its sums alone: use l2, received 0.1");
  CHECK(refusal({.kind = K::kSgd, .l1 = 0.1F}) == "l1 must be 0 unless the optimizer is FTRL, received 0.1");
  CHECK(refusal({.kind = K::kSgd, .nesterov = true}).starts_with("nesterov must be false"));
  CHECK(refusal({.weight_decay = -1}) == "weight_decay must be finite and not negative, received -1");
  CHECK(refusal({.clip_norm = nan}) == "clip_norm must be finite and not negative, received nan");
  CHECK(refusal({.clip_value = -2}) == "clip_value must be finite and not negative, received -2");
  CHECK(refusal({.kind = static_cast<K>(9)}) == "kind must be one of the enumeration, received 9");
}

void test_kinds_have_names_both_ways() {
  for (const OptimizerKind kind : kKinds) CHECK(optimizer_kind_of(name_of(kind)) == kind);
  CHECK(name_of(OptimizerKind::kGroupFtrl) == "group_ftrl");
  CHECK_THROWS(optimizer_kind_of("adamw"), std::invalid_argument);
}

}  // namespace

int main() {
  test_wrong_options_are_refused_by_name_rule_and_value();
  test_kinds_have_names_both_ways();
}
