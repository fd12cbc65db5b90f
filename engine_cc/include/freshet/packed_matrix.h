#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "freshet/instruction_set.h"

namespace freshet {

/// A matrix of weights laid out for multiplying lines of floats by it: in panels of 32 columns, each row's of a panel side by side, the last
/// panel filled up with zeros.
///
/// Immutable once made, so safe for any number of threads. Making one is a copy, O(depth * width).
///
/// Unlike everything that trains, products are contracted (fused multiply-adds) and summed in an order of their own, in float32: equal to
/// those of another library to rounding, and not the same bits on every processor. No sum is split: each is taken over the depth in order.
class PackedMatrix {
 public:
  /// `weights` is row-major [depth, width]. Throws std::invalid_argument when it is of another size, std::bad_alloc.
  PackedMatrix(std::span<const float> weights, std::size_t depth, std::size_t width);

  std::size_t depth() const noexcept { return depth_; }
  std::size_t width() const noexcept { return width_; }
  std::size_t memory_bytes() const noexcept;

  /// What a product begins with and ends with.
  struct Lines {
    const float* left;  // line r's `depth` floats from r * left_stride on
    std::size_t left_stride;
    std::size_t num;
    const float* first;        // added to each line, `width` floats; null for nothing
    std::size_t first_stride;  // 0 for the same ones for every line
    float* out;                // line r's `width` floats from r * out_stride on; may be `first`
    std::size_t out_stride;
    bool rectifies;  // negative results are 0
  };

  /// out = left · weights + first. O(lines * depth * width), no allocation. `out` must not overlap `left`.
  void multiply(const Lines& lines) const noexcept { multiply(lines, widest_set()); }
  /// The implementation for `set`, which must run here.
  void multiply(const Lines& lines, InstructionSet set) const noexcept;

 private:
  struct Free {
    void operator()(float* memory) const noexcept;
  };

  std::size_t depth_;
  std::size_t width_;
  std::unique_ptr<float[], Free> panels_;
};

}  // namespace freshet
