#pragma once

#include <cstddef>
#include <cstdint>

#include "freshet/optimizer.h"

namespace freshet {

/// One step of a row, as Optimizer::update promises, the gradient taken as it is.
using OptimizerKernel = bool (*)(const OptimizerOptions& options, std::uint32_t dim, float* row,
                                 const float* gradient, float learning_rate) noexcept;

/// How a kind lays its state out: `num_vectors` of dim floats, then `num_scalars`.
struct StateLayout {
  std::size_t num_vectors;
  std::size_t num_scalars;
};

StateLayout state_layout(const OptimizerOptions& options) noexcept;

/// The kernel for checked options and dim.
OptimizerKernel optimizer_kernel(const OptimizerOptions& options, std::uint32_t dim) noexcept;

/// Writes the clipped gradient to `clipped`; false when the gradient is not finite.
bool clip_gradient(const OptimizerOptions& options, std::uint32_t dim, const float* gradient,
                   float* clipped) noexcept;

}  // namespace freshet
