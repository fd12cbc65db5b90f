#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "freshet/packed_matrix.h"

namespace freshet {

/// Columns of a register of a `DenseProgram`, from `column` on.
struct Place {
  std::uint32_t of = 0;
  std::uint32_t column = 0;
};

/// What a step sees of a register: lines of floats, `stride` apart, 0 where one line stands for every candidate.
struct View {
  float* first;
  std::size_t stride;
  std::size_t num;

  float* line(std::size_t i) const noexcept { return first + i * stride; }
};

// The steps. Each has `check(registers)`, which throws std::invalid_argument, and `run(frame)`, O(lines * columns it touches), which does not
// allocate. `to` is what it writes. What is not said to be overwritten must not overlap `to`.

/// to = from · weights + bias + first, over the `depth` columns of `from`; `first`, of the weights' width, may be `to` itself.
struct LinearStep {
  Place from;
  PackedMatrix weights;
  std::vector<float> bias;  // none, or of the weights' width; not both this and `first`
  std::optional<Place> first;
  bool rectifies;
  Place to;
};

/// Columns of `to` <- (x - mean) · factor, held within ±limit; NaN becomes 0.
struct StandardiseStep {
  std::vector<float> means;
  std::vector<float> factors;
  float limit;
  Place to;
};

enum class Activation : std::uint8_t {
  kSigmoid,
  kGate,  // twice the sigmoid
  kTanh,
  kSoftmax,  // over the columns of a line
  kPrelu,    // max(x, 0) + a·min(x, 0); parameters: a of each column
  kDice,  // x·(s + (1 - s)·a), s = σ((x - mean)·factor); parameters: a, then mean, then factor of each column
};

/// `width` columns of `to` <- their activation.
struct ActivationStep {
  Activation kind;
  std::uint32_t width;
  std::vector<float> parameters;
  Place to;
};

/// to[0..dim) = Σ of the fields of `dim` columns each, to[dim..2·dim) = Σ of their squares.
struct SumsStep {
  std::vector<Place> fields;
  std::uint32_t dim;
  Place to;
};

/// ½ [(Σ s)² - Σ q] of what `SumsStep`s made, s the sums and q those of squares: `dim` columns, or their sum in one.
struct PairsStep {
  std::vector<Place> sums;
  std::uint32_t dim;
  bool is_summed;
  Place to;
};

/// to = from, to += from or to *= from, `width` columns.
struct CombineStep {
  enum class Kind : std::uint8_t { kCopy, kAdd, kMultiply };
  Kind kind;
  Place from;
  std::uint32_t width;
  Place to;
};

/// to = Σ_i weights[i] · parts[i], `width` columns; `weights` has a column for each part.
struct MixStep {
  Place weights;
  std::vector<Place> parts;
  std::uint32_t width;
  Place to;
};

/// Field i of `widths[i]` columns of `to`, side by side, times column i of `weights`.
struct ScaleStep {
  Place weights;
  std::vector<std::uint32_t> widths;
  Place to;
};

/// The dot product of every two of the vectors of `dim` columns, in the order (0,1), (0,2), …, (1,2), …
struct DotsStep {
  std::vector<Place> vectors;
  std::uint32_t dim;
  Place to;
};

using DenseStep = std::variant<LinearStep, StandardiseStep, ActivationStep, SumsStep, PairsStep, CombineStep,
                               MixStep, ScaleStep, DotsStep>;

/// Every place that a step touches, with how many columns from there on. The first is what it writes.
std::vector<std::pair<Place, std::size_t>> places_of(const DenseStep& step);

/// Throws std::invalid_argument where a step's own sizes contradict each other.
void check_step(const DenseStep& step);

/// Does a step; `views[register]` are the registers.
void run_step(const DenseStep& step, const std::vector<View>& views) noexcept;

}  // namespace freshet
