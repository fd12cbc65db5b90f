#pragma once

#include <cstddef>

// Compiled once for each instruction set: nothing with code of its own may be included here, or the linker could give the
// code for one processor to all.

namespace freshet {

/// Columns of a packed matrix that are worked on together: two of the widest registers.
inline constexpr std::size_t kPanelColumns = 32;

/// Lines of floats times one panel of a packed matrix. `panel` is [depth][kPanelColumns], of which the first `num_columns` columns count
/// and the others are zero. Line r of `out` is line r of `left` times it, plus line r of `first` (of `num_columns` floats, `first_stride`
/// apart: 0 for the same one for every line; null for nothing), below zero made zero if `rectifies`. `out` may be `first`.
struct PanelProduct {
  const float* left;
  std::size_t left_stride;
  std::size_t num_lines;
  std::size_t depth;
  const float* panel;
  std::size_t num_columns;
  const float* first;
  std::size_t first_stride;
  float* out;
  std::size_t out_stride;
  bool rectifies;
};

using MultiplyPanel = void (*)(const PanelProduct& product) noexcept;

void multiply_panel_baseline(const PanelProduct& product) noexcept;
#if defined(__x86_64__)
void multiply_panel_avx2(const PanelProduct& product) noexcept;
void multiply_panel_avx512(const PanelProduct& product) noexcept;
#endif

}  // namespace freshet
