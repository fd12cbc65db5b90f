#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "freshet/optimizer.h"
#include "portable_math.h"

namespace freshet::rules {

/// A rule is what one step does to one coordinate; the formulas stand in optimizer.h. Its constructor works out what is
/// the same for the whole row, from the scalars of the row's state. `step` maps a coordinate's {w, state...} to the new
/// ones; `kVectors` counts w too. `scalars` writes the row's new scalars.
template <std::size_t kNum>
using Coordinate = std::array<float, kNum>;

/// For rules that keep nothing for a row as a whole.
struct NoScalars {
  static constexpr std::size_t kScalars = 0;
  void scalars(float* /*out*/) const noexcept {}
};

struct Sgd : NoScalars {
  static constexpr std::size_t kVectors = 1;

  Sgd(const OptimizerOptions& options, float learning_rate, const float* /*scalars*/) noexcept
      : rate(learning_rate), decay(learning_rate * options.weight_decay) {}

  Coordinate<1> step(float g, Coordinate<1> x) const noexcept { return {x[0] - decay * x[0] - rate * g}; }

  float rate;
  float decay;
};

template <bool kNesterov>
struct Momentum : NoScalars {
  static constexpr std::size_t kVectors = 2;

  Momentum(const OptimizerOptions& options, float learning_rate, const float* /*scalars*/) noexcept
      : rate(learning_rate), decay(learning_rate * options.weight_decay), momentum(options.momentum) {}

  Coordinate<2> step(float g, Coordinate<2> x) const noexcept {
    const float v = momentum * x[1] + g;
    const float direction = kNesterov ? g + momentum * v : v;
    return {x[0] - decay * x[0] - rate * direction, v};
  }

  float rate;
  float decay;
  float momentum;
};

struct Adagrad : NoScalars {
  static constexpr std::size_t kVectors = 2;

  Adagrad(const OptimizerOptions& options, float learning_rate, const float* /*scalars*/) noexcept
      : rate(learning_rate), decay(learning_rate * options.weight_decay) {}

  Coordinate<2> step(float g, Coordinate<2> x) const noexcept {
    const float n = x[1] + g * g;
    return {x[0] - decay * x[0] - rate * g / std::sqrt(n), n};
  }

  float rate;
  float decay;
};

/// The averages and bias corrections that Adam and AMSGrad share. State: m, v, (greatest v), then both corrections.
struct Moments {
  static constexpr std::size_t kScalars = 2;

  Moments(const OptimizerOptions& options, float learning_rate, const float* scalars) noexcept
      : beta1(options.beta1),
        beta2(options.beta2),
        epsilon(options.epsilon),
        decay(learning_rate * options.weight_decay),
        correction1(beta1 * scalars[0] + (1.0F - beta1)),
        correction2(beta2 * scalars[1] + (1.0F - beta2)),
        rate(learning_rate / correction1),
        inverse2(1.0F / correction2) {}

  void scalars(float* out) const noexcept {
    out[0] = correction1;
    out[1] = correction2;
  }

  float average(float m, float g) const noexcept { return beta1 * m + (1.0F - beta1) * g; }
  float square_average(float v, float g) const noexcept { return beta2 * v + (1.0F - beta2) * (g * g); }
  float moved(float w, float m, float v) const noexcept {
    return w - decay * w - rate * m / (std::sqrt(v * inverse2) + epsilon);
  }

  float beta1;
  float beta2;
  float epsilon;
  float decay;
  float correction1;
  float correction2;
  float rate;
  float inverse2;
};

struct Adam : Moments {
  static constexpr std::size_t kVectors = 3;
  using Moments::Moments;

  Coordinate<3> step(float g, Coordinate<3> x) const noexcept {
    const float m = average(x[1], g);
    const float v = square_average(x[2], g);
    return {moved(x[0], m, v), m, v};
  }
};

struct Amsgrad : Moments {
  static constexpr std::size_t kVectors = 4;
  using Moments::Moments;

  Coordinate<4> step(float g, Coordinate<4> x) const noexcept {
    const float m = average(x[1], g);
    const float v = square_average(x[2], g);
    const float greatest = x[3] > v ? x[3] : v;
    return {moved(x[0], m, greatest), m, v, greatest};
  }
};

/// What AdaDelta and RMSprop share.
struct SquareAverage : NoScalars {
  SquareAverage(const OptimizerOptions& options, float learning_rate, const float* /*scalars*/) noexcept
      : rate(learning_rate),
        decay(learning_rate * options.weight_decay),
        rho(options.rho),
        epsilon(options.epsilon) {}

  float average(float e, float x) const noexcept { return rho * e + (1.0F - rho) * (x * x); }

  float rate;
  float decay;
  float rho;
  float epsilon;
};

struct Adadelta : SquareAverage {
  static constexpr std::size_t kVectors = 3;
  using SquareAverage::SquareAverage;

  Coordinate<3> step(float g, Coordinate<3> x) const noexcept {
    const float e = average(x[1], g);
    const float d = g * (std::sqrt(x[2] + epsilon) / std::sqrt(e + epsilon));
    return {x[0] - decay * x[0] - rate * d, e, average(x[2], d)};
  }
};

struct Rmsprop : SquareAverage {
  static constexpr std::size_t kVectors = 2;
  using SquareAverage::SquareAverage;

  Coordinate<2> step(float g, Coordinate<2> x) const noexcept {
    const float e = average(x[1], g);
    return {x[0] - decay * x[0] - rate * g / std::sqrt(e + epsilon), e};
  }
};

struct RmspropWithMomentum : SquareAverage {
  static constexpr std::size_t kVectors = 3;

  RmspropWithMomentum(const OptimizerOptions& options, float learning_rate, const float* scalars) noexcept
      : SquareAverage(options, learning_rate, scalars), momentum(options.momentum) {}

  Coordinate<3> step(float g, Coordinate<3> x) const noexcept {
    const float e = average(x[1], g);
    const float v = momentum * x[2] + g / std::sqrt(e + epsilon);
    return {x[0] - decay * x[0] - rate * v, e, v};
  }

  float momentum;
};

/// What both FTRLs do before they shrink. State: z, n, then 1/r of the row's last step.
template <bool kSquareRoot>
struct Proximal {
  static constexpr std::size_t kScalars = 1;

  struct Sums {
    float z;
    float n;
    float curvature;  // 1/η_now + l2
  };

  Proximal(const OptimizerOptions& options, float learning_rate, const float* scalars) noexcept
      : inverse(1.0F / learning_rate),
        inverse_before(scalars[0]),
        beta(options.beta),
        l1(options.l1),
        l2(options.l2),
        power(-static_cast<double>(options.learning_rate_power)) {}

  void scalars(float* out) const noexcept { out[0] = inverse; }

  Sums add(float g, float w, float z, float n) const noexcept {
    const float sum = n + g * g;
    const float now = (beta + root(sum)) * inverse;
    const float before = (beta + root(n)) * inverse_before;
    return {z + g - (now - before) * w, sum, now + l2};
  }

  float root(float n) const noexcept {
    if constexpr (kSquareRoot) return std::sqrt(n);
    if (power == 0) return 1.0F;
    return n > 0 ? static_cast<float>(portable_exp(power * portable_log(static_cast<double>(n)))) : n;
  }

  float inverse;
  float inverse_before;
  float beta;
  float l1;
  float l2;
  double power;
};

template <bool kSquareRoot>
struct Ftrl : Proximal<kSquareRoot> {
  static constexpr std::size_t kVectors = 3;
  using Proximal<kSquareRoot>::Proximal;

  Coordinate<3> step(float g, Coordinate<3> x) const noexcept {
    const auto [z, n, curvature] = this->add(g, x[0], x[1], x[2]);
    // z less its part within ±l1: 0 where |z| <= l1, else z - sign(z)·l1. From 0, so that no zero has a sign.
    const float excess = z - std::min(std::max(z, -this->l1), this->l1);
    return {(0.0F - excess) / curvature, z, n};
  }
};

}  // namespace freshet::rules
