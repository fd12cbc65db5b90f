#include "freshet/packed_matrix.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>

#include "dense_kernel.h"

namespace freshet {
namespace {

constexpr std::align_val_t kAlignment{64};

std::size_t num_panels(std::size_t width) noexcept { return (width + kPanelColumns - 1) / kPanelColumns; }

MultiplyPanel kernel([[maybe_unused]] InstructionSet set) noexcept {
#if defined(__x86_64__)
  if (set == InstructionSet::kAvx512) return &multiply_panel_avx512;
  if (set == InstructionSet::kAvx2) return &multiply_panel_avx2;
#endif
  return &multiply_panel_baseline;
}

}  // namespace

void PackedMatrix::Free::operator()(float* memory) const noexcept { ::operator delete[](memory, kAlignment); }

PackedMatrix::PackedMatrix(std::span<const float> weights, std::size_t depth, std::size_t width)
    : depth_(depth), width_(width) {
  if (weights.size() != depth * width) {
    throw std::invalid_argument("weights must have " + std::to_string(depth) + " rows of " +
                                std::to_string(width) + " floats, received " +
                                std::to_string(weights.size()) + " floats in all");
  }
  const std::size_t size = num_panels(width) * depth * kPanelColumns;
  panels_.reset(
      static_cast<float*>(::operator new[](std::max<std::size_t>(size, 1) * sizeof(float), kAlignment)));
  float* to = panels_.get();
  for (std::size_t column = 0; column < width; column += kPanelColumns) {
    const std::size_t num = std::min(kPanelColumns, width - column);
    for (std::size_t k = 0; k < depth; ++k, to += kPanelColumns) {
      std::copy_n(weights.data() + k * width + column, num, to);
      std::fill_n(to + num, kPanelColumns - num, 0.0F);
    }
  }
}

std::size_t PackedMatrix::memory_bytes() const noexcept {
  return sizeof *this + num_panels(width_) * depth_ * kPanelColumns * sizeof(float);
}

void PackedMatrix::multiply(const Lines& lines, InstructionSet set) const noexcept {
  const MultiplyPanel multiply_panel = kernel(set);
  const float* panel = panels_.get();
  for (std::size_t column = 0; column < width_; column += kPanelColumns, panel += depth_ * kPanelColumns) {
    multiply_panel({lines.left, lines.left_stride, lines.num, depth_, panel,
                    std::min(kPanelColumns, width_ - column),
                    lines.first == nullptr ? nullptr : lines.first + column, lines.first_stride,
                    lines.out + column, lines.out_stride, lines.rectifies});
  }
}

}  // namespace freshet
