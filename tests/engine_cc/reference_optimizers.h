#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "freshet/optimizer.h"

namespace freshet::testing {

/// The optimizers once more, in double, as the papers write them and without a thought for speed: explicit step
/// counts and powers, the whole history where the paper sums over it. What the engine does is checked against this.
class ReferenceRow {
 public:
  using Doubles = std::vector<double>;

  ReferenceRow(const OptimizerOptions& options, Doubles vector)
      : o_(options),
        w_(std::move(vector)),
        a_(w_.size(), 0.0),
        b_(w_.size(), 0.0),
        c_(w_.size(), 0.0),
        n_(w_.size(), static_cast<double>(options.initial_accumulator)) {}

  const Doubles& vector() const { return w_; }

  void update(Doubles g, double rate) {
    clip(g);
    ++num_steps_;
    const bool ftrl = o_.kind == OptimizerKind::kFtrl || o_.kind == OptimizerKind::kGroupFtrl;
    if (ftrl) return follow_the_leader(g, rate);
    for (std::size_t i = 0; i < w_.size(); ++i) {
      const double decayed = rate * static_cast<double>(o_.weight_decay) * w_[i];
      w_[i] = w_[i] - decayed - step_of(i, g[i], rate);
    }
  }

 private:
  static double norm(const Doubles& x) {
    double sum = 0;
    for (const double value : x) sum += value * value;
    return std::sqrt(sum);
  }

  void clip(Doubles& g) const {
    const double value = o_.clip_value;
    if (value > 0) {
      for (double& x : g) x = std::clamp(x, -value, value);
    }
    const double length = norm(g);
    if (o_.clip_norm > 0 && length > o_.clip_norm) {
      for (double& x : g) x *= o_.clip_norm / length;
    }
  }

  double step_of(std::size_t i, double g, double rate) {
    const double epsilon = o_.epsilon;
    const double rho = o_.rho;
    const double momentum = o_.momentum;
    switch (o_.kind) {
      case OptimizerKind::kMomentum:
        a_[i] = momentum * a_[i] + g;
        return rate * (o_.nesterov ? g + momentum * a_[i] : a_[i]);
      case OptimizerKind::kAdagrad:
        n_[i] += g * g;
        return rate * g / std::sqrt(n_[i]);
      case OptimizerKind::kAdam:
      case OptimizerKind::kAmsgrad:
        return moment_step(i, g, rate);
      case OptimizerKind::kAdadelta: {
        a_[i] = rho * a_[i] + (1 - rho) * g * g;
        const double d = std::sqrt(b_[i] + epsilon) / std::sqrt(a_[i] + epsilon) * g;
        b_[i] = rho * b_[i] + (1 - rho) * d * d;
        return rate * d;
      }
      case OptimizerKind::kRmsprop:
        a_[i] = rho * a_[i] + (1 - rho) * g * g;
        b_[i] = momentum * b_[i] + g / std::sqrt(a_[i] + epsilon);
        return rate * b_[i];
      default:
        return rate * g;
    }
  }

  double moment_step(std::size_t i, double g, double rate) {
    const double beta1 = o_.beta1;
    const double beta2 = o_.beta2;
    a_[i] = beta1 * a_[i] + (1 - beta1) * g;
    b_[i] = beta2 * b_[i] + (1 - beta2) * g * g;
    c_[i] = std::max(c_[i], b_[i]);
    const double v = o_.kind == OptimizerKind::kAmsgrad ? c_[i] : b_[i];
    const double corrected1 = a_[i] / (1 - std::pow(beta1, num_steps_));
    const double corrected2 = v / (1 - std::pow(beta2, num_steps_));
    return rate * corrected1 / (std::sqrt(corrected2) + static_cast<double>(o_.epsilon));
  }

  /// McMahan et al., 2013: w minimises g_1..t·w + ½ Σ σ_s·|w - w_s|² + l1·|w| + l2/2·|w|² with σ_1..t = 1/η_t.
  /// The history is kept and summed anew at each step.
  void follow_the_leader(const Doubles& g, double rate) {
    Doubles inverse(w_.size());
    for (std::size_t i = 0; i < w_.size(); ++i) {
      n_[i] += g[i] * g[i];
      inverse[i] =
          (static_cast<double>(o_.beta) + std::pow(n_[i], -static_cast<double>(o_.learning_rate_power))) /
          rate;
    }
    gradients_.push_back(g);
    centres_.push_back(w_);
    inverses_.push_back(inverse);
    Doubles z(w_.size(), 0.0);
    for (std::size_t s = 0; s < gradients_.size(); ++s) {
      for (std::size_t i = 0; i < w_.size(); ++i) {
        const double sigma = inverses_[s][i] - (s > 0 ? inverses_[s - 1][i] : 0.0);
        z[i] += gradients_[s][i] - sigma * centres_[s][i];
      }
    }
    const double l1 = o_.l1;
    const double threshold = l1 * std::sqrt(static_cast<double>(w_.size()));
    for (std::size_t i = 0; i < w_.size(); ++i) {
      const double curvature = inverse[i] + static_cast<double>(o_.l2);
      if (o_.kind == OptimizerKind::kGroupFtrl) {
        w_[i] = norm(z) <= threshold ? 0 : -(z[i] - z[i] * threshold / norm(z)) / curvature;
      } else if (std::fabs(z[i]) <= l1) {
        w_[i] = 0;
      } else {
        w_[i] = z[i] > 0 ? -(z[i] - l1) / curvature : -(z[i] + l1) / curvature;
      }
    }
  }

  OptimizerOptions o_;
  Doubles w_, a_, b_, c_, n_;
  int num_steps_ = 0;
  std::vector<Doubles> gradients_, centres_, inverses_;
};

}  // namespace freshet::testing
