#include "optimizer_kernels.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "freshet/dispatch.h"
#include "optimizer_rules.h"

namespace freshet {
namespace {

/// The greatest |x| seen, as the bits of a float: those of what is not finite are greater than those of what is, and
/// an integer maximum is one instruction that vectorises, where a test for each value would be a branch.
class Magnitude {
 public:
  void see(float x) noexcept { most_ = std::max(most_, std::bit_cast<std::int32_t>(x) & 0x7FFFFFFF); }
  bool finite() const noexcept { return most_ < 0x7F800000; }

 private:
  std::int32_t most_ = 0;
};

/// |values|₂ in an order that no instruction set changes: sixteen partial sums, element i into sum i mod 16, added in
/// halves. In double, where no square of a float overflows or is rounded.
[[gnu::always_inline]] inline double norm_of(const float* values, std::size_t size) noexcept {
  constexpr std::size_t kLanes = 16;
  double sums[kLanes] = {};
  const auto add = [&sums](const float* from, std::size_t num) {
    for (std::size_t lane = 0; lane < num; ++lane) {
      const auto value = static_cast<double>(from[lane]);
      sums[lane] += value * value;
    }
  };
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) add(values + i, kLanes);
  add(values + i, size - i);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return std::sqrt(sums[0]);
}

/// A row's new floats, vector by vector, until they are known to be finite. `kDim` 0 is any dim.
template <std::size_t kVectors, std::uint32_t kDim>
struct FreshRow {
  // The odd lines keep coordinate i of two vectors off the same place of a page, where a load waits for a store.
  float vectors[kVectors][kDim != 0 ? kDim : Optimizer::kMaxDim + 48];

  void store(float* row, std::size_t dim) const noexcept {
    for (std::size_t k = 0; k < kVectors; ++k) std::memcpy(row + k * dim, vectors[k], dim * sizeof(float));
  }
};

template <class Rule, std::uint32_t kDim>
FRESHET_CLONES bool step(const OptimizerOptions& options, std::uint32_t any_dim, float* row,
                         const float* gradient, float learning_rate) noexcept {
  constexpr std::size_t kVectors = Rule::kVectors;
  const std::size_t dim = kDim != 0 ? kDim : any_dim;
  const Rule rule(options, learning_rate, row + kVectors * dim);
  FreshRow<kVectors, kDim> fresh;
  Magnitude magnitude;
  for (std::size_t i = 0; i < dim; ++i) {
    rules::Coordinate<kVectors> x;
    for (std::size_t k = 0; k < kVectors; ++k) x[k] = row[k * dim + i];
    x = rule.step(gradient[i], x);
    for (std::size_t k = 0; k < kVectors; ++k) {
      magnitude.see(x[k]);
      fresh.vectors[k][i] = x[k];
    }
  }
  if (!magnitude.finite()) return false;
  fresh.store(row, dim);
  rule.scalars(row + kVectors * dim);
  return true;
}

/// The group lasso needs the norm of the whole new z before any weight.
template <bool kSquareRoot, std::uint32_t kDim>
FRESHET_CLONES bool group_step(const OptimizerOptions& options, std::uint32_t any_dim, float* row,
                               const float* gradient, float learning_rate) noexcept {
  constexpr std::size_t kVectors = 3;
  const std::size_t dim = kDim != 0 ? kDim : any_dim;
  const rules::Proximal<kSquareRoot> rule(options, learning_rate, row + kVectors * dim);
  FreshRow<kVectors, kDim> fresh;
  auto& [w, z, n] = fresh.vectors;
  for (std::size_t i = 0; i < dim; ++i) {
    const auto sums = rule.add(gradient[i], row[i], row[dim + i], row[2 * dim + i]);
    w[i] = sums.curvature;
    z[i] = sums.z;
    n[i] = sums.n;
  }
  const double norm = norm_of(z, dim);
  const double threshold = static_cast<double>(options.l1) * std::sqrt(static_cast<double>(dim));
  const float kept = norm > threshold ? static_cast<float>(1 - threshold / norm) : 0.0F;
  Magnitude magnitude;
  for (std::size_t i = 0; i < dim; ++i) {
    w[i] = (0.0F - kept * z[i]) / w[i];
    magnitude.see(w[i]);
    magnitude.see(z[i]);
    magnitude.see(n[i]);
  }
  if (!magnitude.finite()) return false;
  fresh.store(row, dim);
  rule.scalars(row + kVectors * dim);
  return true;
}

template <class Rule>
struct ElementWise {
  static constexpr StateLayout kLayout{Rule::kVectors - 1, Rule::kScalars};
  template <std::uint32_t kDim>
  static constexpr OptimizerKernel kKernel = &step<Rule, kDim>;
};

template <bool kSquareRoot>
struct Grouped {
  static constexpr StateLayout kLayout{2, rules::Proximal<kSquareRoot>::kScalars};
  template <std::uint32_t kDim>
  static constexpr OptimizerKernel kKernel = &group_step<kSquareRoot, kDim>;
};

/// Calls `take` with the family of kernels that the options ask for.
template <class Take>
auto with_family(const OptimizerOptions& options, Take take) noexcept {
  const bool square_root = options.learning_rate_power == -0.5F;
  switch (options.kind) {
    case OptimizerKind::kSgd:
      return take(ElementWise<rules::Sgd>{});
    case OptimizerKind::kMomentum:
      return options.nesterov ? take(ElementWise<rules::Momentum<true>>{})
                              : take(ElementWise<rules::Momentum<false>>{});
    case OptimizerKind::kAdagrad:
      break;
    case OptimizerKind::kAdam:
      return take(ElementWise<rules::Adam>{});
    case OptimizerKind::kAmsgrad:
      return take(ElementWise<rules::Amsgrad>{});
    case OptimizerKind::kAdadelta:
      return take(ElementWise<rules::Adadelta>{});
    case OptimizerKind::kRmsprop:
      return options.momentum > 0 ? take(ElementWise<rules::RmspropWithMomentum>{})
                                  : take(ElementWise<rules::Rmsprop>{});
    case OptimizerKind::kFtrl:
      return square_root ? take(ElementWise<rules::Ftrl<true>>{}) : take(ElementWise<rules::Ftrl<false>>{});
    case OptimizerKind::kGroupFtrl:
      return square_root ? take(Grouped<true>{}) : take(Grouped<false>{});
  }
  return take(ElementWise<rules::Adagrad>{});
}

}  // namespace

StateLayout state_layout(const OptimizerOptions& options) noexcept {
  return with_family(options, [](auto family) { return decltype(family)::kLayout; });
}

OptimizerKernel optimizer_kernel(const OptimizerOptions& options, std::uint32_t dim) noexcept {
  return with_family(options, [dim](auto family) -> OptimizerKernel {
    using Family = decltype(family);
    switch (dim) {
      case 8:
        return Family::template kKernel<8>;
      case 16:
        return Family::template kKernel<16>;
      case 32:
        return Family::template kKernel<32>;
      case 64:
        return Family::template kKernel<64>;
      default:
        return Family::template kKernel<0>;
    }
  });
}

FRESHET_CLONES bool clip_gradient(const OptimizerOptions& options, std::uint32_t dim, const float* gradient,
                                  float* clipped) noexcept {
  const float limit = options.clip_value > 0 ? options.clip_value : FLT_MAX;
  Magnitude magnitude;
  for (std::size_t i = 0; i < dim; ++i) {
    magnitude.see(gradient[i]);
    clipped[i] = std::min(std::max(gradient[i], -limit), limit);
  }
  if (!magnitude.finite()) return false;
  if (options.clip_norm <= 0) return true;
  const double norm = norm_of(clipped, dim);
  if (norm <= static_cast<double>(options.clip_norm)) return true;
  const double scale = static_cast<double>(options.clip_norm) / norm;
  for (std::size_t i = 0; i < dim; ++i) {
    clipped[i] = static_cast<float>(static_cast<double>(clipped[i]) * scale);
  }
  return true;
}

}  // namespace freshet
