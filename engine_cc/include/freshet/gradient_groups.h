#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace freshet {

/// The positions of a batch grouped by row, each group in input order, so that duplicates can be summed in an
/// order that depends on nothing but the batch. Groups come in the order of their first position.
///
/// O(1) expected an `add`; all memory is taken by the constructor (about 32 bytes a position). Not thread
/// safe.
class GradientGroups {
 public:
  static constexpr std::uint32_t kEnd = UINT32_MAX;

  struct Group {
    std::uint32_t row;
    std::uint32_t first;
    std::uint32_t last;
    std::uint32_t num_positions;
  };

  /// For positions 0 .. batch_size - 1; at most 2^30 of them.
  explicit GradientGroups(std::size_t batch_size);

  /// Adds a position, greater than all before it, to the group of `row`.
  void add(std::uint32_t row, std::uint32_t position) noexcept;

  std::span<const Group> groups() const noexcept { return groups_; }

  /// The next position of the same group, or `kEnd`.
  std::uint32_t next(std::uint32_t position) const noexcept { return next_[position]; }

 private:
  unsigned shift_;
  std::vector<std::uint32_t> group_of_;  // open addressing by row; kEnd marks an empty place
  std::vector<Group> groups_;
  std::vector<std::uint32_t> next_;
};

}  // namespace freshet
