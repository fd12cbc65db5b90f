#include "freshet/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "optimizer_kernels.h"

namespace freshet {
namespace {

constexpr std::array<std::string_view, 9> kNames{"sgd",      "momentum", "adagrad", "adam",      "amsgrad",
                                                 "adadelta", "rmsprop",  "ftrl",    "group_ftrl"};

[[noreturn]] void refuse(std::string_view field, std::string_view rule, const std::string& received) {
  throw std::invalid_argument(std::string(field) + " must be " + std::string(rule) + ", received " +
                              received);
}

void require(bool holds, std::string_view field, std::string_view rule, float received) {
  if (holds) return;
  char text[32];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(received));
  refuse(field, rule, text);
}

void require_positive(std::string_view field, float value) {
  require(std::isfinite(value) && value > 0, field, "finite and positive", value);
}

void require_not_negative(std::string_view field, float value) {
  require(std::isfinite(value) && value >= 0, field, "finite and not negative", value);
}

void require_fraction(std::string_view field, float value) {
  require(value >= 0 && value < 1, field, "at least 0 and below 1", value);
}

void check_ftrl(const OptimizerOptions& options) {
  require_not_negative("l1", options.l1);
  require_not_negative("l2", options.l2);
  require_not_negative("beta", options.beta);
  require_not_negative("initial_accumulator", options.initial_accumulator);
  require(options.initial_accumulator > 0 || options.beta > 0, "initial_accumulator",
          "positive when beta is 0 (the first rate of a row would be infinite)", options.initial_accumulator);
  require(options.learning_rate_power >= -1 && options.learning_rate_power <= 0, "learning_rate_power",
          "-1 to 0", options.learning_rate_power);
  require(options.weight_decay == 0, "weight_decay",
          "0 with FTRL, whose weights follow from its sums alone: use l2", options.weight_decay);
}

/// What only FTRL and momentum read must not be set for the others, lest it be thought to work.
void check_unread(const OptimizerOptions& options, bool ftrl) {
  if (!ftrl) {
    require(options.l1 == 0, "l1", "0 unless the optimizer is FTRL", options.l1);
    require(options.l2 == 0, "l2", "0 unless the optimizer is FTRL (weight_decay decays the others)",
            options.l2);
    require(options.beta == 0, "beta", "0 unless the optimizer is FTRL", options.beta);
  }
  if (options.nesterov && options.kind != OptimizerKind::kMomentum) {
    refuse("nesterov", "false unless the optimizer is momentum", "true");
  }
}

void check_kind(const OptimizerOptions& options) {
  switch (options.kind) {
    case OptimizerKind::kSgd:
      return;
    case OptimizerKind::kMomentum:
      return require_fraction("momentum", options.momentum);
    case OptimizerKind::kAdagrad:
      return require_positive("initial_accumulator", options.initial_accumulator);
    case OptimizerKind::kAdam:
    case OptimizerKind::kAmsgrad:
      require_fraction("beta1", options.beta1);
      require_fraction("beta2", options.beta2);
      return require_positive("epsilon", options.epsilon);
    case OptimizerKind::kRmsprop:
      require_fraction("momentum", options.momentum);
      [[fallthrough]];
    case OptimizerKind::kAdadelta:
      require_fraction("rho", options.rho);
      return require_positive("epsilon", options.epsilon);
    case OptimizerKind::kFtrl:
    case OptimizerKind::kGroupFtrl:
      return check_ftrl(options);
  }
  refuse("kind", "one of the enumeration", std::to_string(static_cast<int>(options.kind)));
}

const OptimizerOptions& checked(const OptimizerOptions& options, std::uint32_t dim) {
  if (dim < 1 || dim > Optimizer::kMaxDim) {
    refuse("dim", "1 to " + std::to_string(Optimizer::kMaxDim), std::to_string(dim));
  }
  check_kind(options);
  check_unread(options, options.kind == OptimizerKind::kFtrl || options.kind == OptimizerKind::kGroupFtrl);
  require_not_negative("weight_decay", options.weight_decay);
  require_not_negative("clip_norm", options.clip_norm);
  require_not_negative("clip_value", options.clip_value);
  return options;
}

std::size_t num_floats(const StateLayout& layout, std::size_t dim) {
  return layout.num_vectors * dim + layout.num_scalars;
}

}  // namespace

std::string_view name_of(OptimizerKind kind) noexcept { return kNames[static_cast<std::size_t>(kind)]; }

OptimizerKind optimizer_kind_of(std::string_view name) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) {
    std::string known;
    for (const std::string_view each : kNames) known += (known.empty() ? "" : ", ") + std::string(each);
    refuse("kind", "one of " + known, std::string(name.substr(0, 80)));
  }
  return static_cast<OptimizerKind>(found - kNames.begin());
}

Optimizer::Optimizer(const OptimizerOptions& options, std::uint32_t dim)
    : kernel_(optimizer_kernel(checked(options, dim), dim)),
      options_(options),
      dim_(dim),
      clips_(options.clip_norm > 0 || options.clip_value > 0),
      num_state_floats_(num_floats(state_layout(options), dim)) {}

void Optimizer::initialise(float* state) const noexcept {
  const std::size_t dim = dim_;
  std::fill_n(state, num_state_floats_, 0.0F);
  if (options_.kind == OptimizerKind::kAdagrad) std::fill_n(state, dim, options_.initial_accumulator);
  const bool ftrl = options_.kind == OptimizerKind::kFtrl || options_.kind == OptimizerKind::kGroupFtrl;
  if (ftrl) std::fill_n(state + dim, dim, options_.initial_accumulator);
}

// Apart from the common path, which needs no buffer.
[[gnu::noinline]] bool Optimizer::update_clipped(float* row, const float* gradient,
                                                 float learning_rate) const noexcept {
  float clipped[kMaxDim];
  return clip_gradient(options_, dim_, gradient, clipped) &&
         kernel_(options_, dim_, row, clipped, learning_rate);
}

}  // namespace freshet
