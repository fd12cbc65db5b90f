#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "freshet/column_pooling.h"
#include "freshet/dense_steps.h"

namespace freshet {

/// Gives a program its inputs.
class InputSource {
 public:
  InputSource() = default;
  InputSource(const InputSource&) = delete;
  InputSource& operator=(const InputSource&) = delete;
  virtual ~InputSource() = default;

  /// Writes candidates first .. first + lines.num - 1, or the one asker, to lines of `lines.width` floats.
  virtual void fill(std::size_t first, Lines<float> lines) const = 0;
};

/// The dense part of a model for one asker and many candidates: steps over registers of floats. A register has one line for the asker, or
/// one for each candidate. The first three are inputs: the asker's, the candidates', and what is of both together.
///
/// Steps run in the order in which they were added; those that write a line of the asker run once. Candidates go through all steps some
/// at a time, so that what they need stays in the cache.
///
/// Thread safety: adding from one thread; from then on `run` from any number, without a lock. A register must be written before it is read.
class DenseProgram {
 public:
  static constexpr std::uint32_t kAsker = 0;
  static constexpr std::uint32_t kCandidates = 1;
  static constexpr std::uint32_t kPairs = 2;
  static constexpr std::size_t kTogether = 96;  // candidates

  /// Widths of the three inputs, each of which may be 0.
  DenseProgram(std::size_t asker_width, std::size_t candidate_width, std::size_t pair_width);

  /// A further register; answers its number. Throws std::invalid_argument for a width out of 1..1048576.
  std::uint32_t add_register(std::size_t width, bool is_of_asker);

  /// Throws std::invalid_argument when the step's sizes contradict each other, a place is not within its register, or a line of the asker
  /// would depend on candidates.
  void add_step(DenseStep step);

  std::size_t width(std::uint32_t of) const { return registers_.at(of).width; }
  std::size_t memory_bytes() const noexcept;

  /// Fills `out`, line i the `out.width` columns of `result` for candidate i. `sources` are of the three inputs; null for one of width 0.
  /// Memory of the thread, kept for its next run. Throws std::invalid_argument for a result or source that does not fit, what a source
  /// throws, and std::bad_alloc.
  void run(std::span<const InputSource* const, 3> sources, Place result, Lines<float> out) const;

 private:
  struct Register {
    std::size_t width;
    std::size_t stride;
    bool is_of_asker;
  };

  std::vector<Register> registers_;
  std::vector<DenseStep> steps_;
  std::vector<bool> runs_once_;
};

}  // namespace freshet
