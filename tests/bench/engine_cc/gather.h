#pragma once

#include <cstdint>
#include <span>

#include "huge_array.h"
#include "rows.h"

namespace bench {

using Places32 = std::span<const std::uint32_t>;

/// The machine's limit for a lookup: 64-byte rows whose places are known, copied to a given output.
class Gather {
 public:
  /// Row i holds the vector of key i. Tries prefetch distances of 16 to 64 and keeps the fastest here.
  explicit Gather(std::uint32_t num_rows);

  void lookup(Places32 places, Floats out) const noexcept { copy(places, out, distance_); }
  std::uint32_t distance() const noexcept { return distance_; }

 private:
  void copy(Places32 places, Floats out, std::uint32_t distance) const noexcept;
  std::uint32_t best_distance() const;

  HugeArray<Vector> rows_;
  std::uint32_t distance_ = 0;
};

/// The machine's limit for an update in place: 128-byte rows whose places are known, each read, changed by a gradient
/// of 64 bytes with one addition a float, and written back.
class GatherAndWrite {
 public:
  explicit GatherAndWrite(std::uint32_t num_rows);

  /// Not atomic: threads must be given places that differ.
  void update(Places32 places, ConstFloats grads) noexcept { add(places, grads, distance_); }
  std::uint32_t distance() const noexcept { return distance_; }

 private:
  void add(Places32 places, ConstFloats grads, std::uint32_t distance) noexcept;

  HugeArray<VectorAndState> rows_;
  std::uint32_t distance_ = 0;
};

}  // namespace bench
