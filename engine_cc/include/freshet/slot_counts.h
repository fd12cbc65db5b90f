#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace freshet {

/// What has become of the ids of one slot.
struct SlotCount {
  std::uint16_t slot = 0;
  std::uint64_t num_admitted = 0;     // rows earned by sighting
  std::uint64_t num_expired = 0;      // rows evicted because unseen for longer than the slot's time to live
  std::uint64_t num_over_budget = 0;  // rows evicted because the table had reached its budget
  std::uint64_t num_turned_away = 0;  // sightings of FIDs that had no row and did not earn one

  friend bool operator==(const SlotCount&, const SlotCount&) = default;
};

/// Counts by slot. Memory: one count for each number up to the highest slot met. Not thread safe.
class SlotCounts {
 public:
  /// The slot's count, to be added to; valid until another slot is asked for. Throws std::bad_alloc.
  SlotCount& of(std::uint16_t slot);

  /// Adds another's. Throws std::bad_alloc.
  void add(const SlotCounts& other);

  /// Those of which anything was counted, ascending by slot.
  std::vector<SlotCount> counted() const;

  /// For a checkpoint: a word for the form, one for the number of slots, and five words for each.
  void export_to(std::vector<std::uint64_t>& words) const;
  /// The inverse. Throws std::invalid_argument for words of another form.
  static SlotCounts from(std::span<const std::uint64_t> words);

  std::size_t memory_bytes() const noexcept { return counts_.capacity() * sizeof(SlotCount); }

 private:
  std::vector<SlotCount> counts_;  // by slot
};

}  // namespace freshet
