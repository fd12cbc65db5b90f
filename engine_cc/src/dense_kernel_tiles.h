#pragma once

#include "dense_kernel.h"

// The kernel itself, in a namespace without a name: each file that includes it has its own, compiled for its instruction set.

namespace freshet {
namespace {

/// Registers of `kBytes` bytes, `kLines` lines and kColumns registers a tile, so that sums never leave the registers.
template <std::size_t kBytes, std::size_t kLines>
struct Tiles {
  using Register [[gnu::vector_size(kBytes)]] = float;
  using Unaligned [[gnu::vector_size(kBytes), gnu::aligned(4), gnu::may_alias]] = float;
  static constexpr std::size_t kWide = kBytes / sizeof(float);

  static Register load(const float* from) noexcept { return *reinterpret_cast<const Unaligned*>(from); }
  static void store(float* to, Register values) noexcept { *reinterpret_cast<Unaligned*>(to) = values; }

  /// `kCount` lines by `kColumns` registers from the panel's column `column` on.
  template <std::size_t kCount, std::size_t kColumns>
  static void tile(const PanelProduct& p, std::size_t line, std::size_t column) noexcept {
    Register sums[kCount][kColumns];
    const float* const left = p.left + line * p.left_stride;
#pragma GCC unroll 16
    for (std::size_t r = 0; r < kCount; ++r) {
#pragma GCC unroll 2
      for (std::size_t c = 0; c < kColumns; ++c) {
        sums[r][c] = Register{};
        if (p.first != nullptr) sums[r][c] = load(p.first + (line + r) * p.first_stride + column + c * kWide);
      }
    }
    const float* panel = p.panel + column;
    for (std::size_t k = 0; k < p.depth; ++k, panel += kPanelColumns) {
      Register values[kColumns];
#pragma GCC unroll 2
      for (std::size_t c = 0; c < kColumns; ++c) values[c] = load(panel + c * kWide);
#pragma GCC unroll 16
      for (std::size_t r = 0; r < kCount; ++r) {
        const float factor = left[r * p.left_stride + k];
#pragma GCC unroll 2
        for (std::size_t c = 0; c < kColumns; ++c) sums[r][c] += factor * values[c];
      }
    }
#pragma GCC unroll 16
    for (std::size_t r = 0; r < kCount; ++r) {
#pragma GCC unroll 2
      for (std::size_t c = 0; c < kColumns; ++c) {
        Register found = sums[r][c];
        if (p.rectifies) found = found < 0.0F ? Register{} : found;  // what is no number stays none
        store(p.out + (line + r) * p.out_stride + column + c * kWide, found);
      }
    }
  }

  template <std::size_t kColumns>
  static void lines(const PanelProduct& p, std::size_t column) noexcept {
    std::size_t line = 0;
    for (; line + kLines <= p.num_lines; line += kLines) tile<kLines, kColumns>(p, line, column);
    for (; line + 4 <= p.num_lines; line += 4) tile<4, kColumns>(p, line, column);
    for (; line < p.num_lines; ++line) tile<1, kColumns>(p, line, column);
  }

  /// All columns that count lie in whole registers.
  static void whole(const PanelProduct& p) noexcept {
    std::size_t column = 0;
    for (; column + 2 * kWide <= p.num_columns; column += 2 * kWide) lines<2>(p, column);
    for (; column < p.num_columns; column += kWide) lines<1>(p, column);
  }

  /// Through memory of its own where a register would reach beyond the columns that count.
  static void run(const PanelProduct& p) noexcept {
    if (p.num_columns % kWide == 0) return whole(p);
    constexpr std::size_t kSome = 4 * kLines;
    float sums[kSome * kPanelColumns];
    const std::size_t num_padded = (p.num_columns + kWide - 1) / kWide * kWide;
    for (std::size_t line = 0; line < p.num_lines; line += kSome) {
      const std::size_t num = p.num_lines - line < kSome ? p.num_lines - line : kSome;
      for (std::size_t r = 0; r < num; ++r) {
        float* const to = sums + r * kPanelColumns;
        for (std::size_t c = 0; c < num_padded; ++c) to[c] = 0.0F;
        if (p.first == nullptr) continue;
        const float* const from = p.first + (line + r) * p.first_stride;
        for (std::size_t c = 0; c < p.num_columns; ++c) to[c] = from[c];
      }
      whole({p.left + line * p.left_stride, p.left_stride, num, p.depth, p.panel, num_padded, sums,
             kPanelColumns, sums, kPanelColumns, p.rectifies});
      for (std::size_t r = 0; r < num; ++r) {
        float* const to = p.out + (line + r) * p.out_stride;
        for (std::size_t c = 0; c < p.num_columns; ++c) to[c] = sums[r * kPanelColumns + c];
      }
    }
  }
};

}  // namespace
}  // namespace freshet
