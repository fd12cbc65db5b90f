#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "freshet/column_pooling.h"
#include "freshet/pooling.h"
#include "freshet/serving_table.h"

namespace freshet {

/// Encoded inputs of some rows. Row i's record begins at words[starts[i]]: the number of values of each slot, uint16 each, filled up to a
/// whole word; `num_dense` floats, filled up likewise; then the values of the slots, FIDs.
struct Records {
  std::span<const std::uint64_t> words;
  std::span<const std::int64_t> starts;
};

/// What becomes of records: each slot's values looked up in its table and pooled into some columns of a line, the dense inputs into others.
///
/// Immutable, so safe for any number of threads.
class RecordPooling {
 public:
  struct Slot {
    std::uint32_t table;   // of those that `pool` is given; never decreases from slot to slot
    Pooling pooling;       // any but kFirstN
    std::uint32_t column;  // of the first of the table's dim
  };

  /// Dense inputs go to the columns from `dense_column` on. Throws std::invalid_argument for kFirstN, tables out of order, or more than
  /// 65,536 slots or dense inputs.
  RecordPooling(std::vector<Slot> slots, std::uint32_t num_dense, std::uint32_t dense_column);

  std::size_t num_slots() const noexcept { return slots_.size(); }

  /// Throws std::invalid_argument unless every record lies within the words, each slot's table is there, and its columns and those of the
  /// dense inputs are within `width`. O(rows * slots).
  void check(const Records& records, std::span<const ServingTable* const> tables, std::size_t width) const;

  /// Fills line i with row first + i of records that `check` has let pass; columns of no input stay as they are. A FID without a row is a
  /// zero vector and counts, as in `pool`, whose values these are, bit for bit. Lookups as `ServingTable::lookup`. O(values * dim); memory
  /// of the thread, kept for the next call. Throws std::bad_alloc.
  void pool(const Records& records, std::span<const ServingTable* const> tables, std::size_t first,
            Lines<float> out) const;

 private:
  /// Slots of one table: first .. last - 1.
  struct Run {
    std::size_t first;
    std::size_t last;
  };

  std::vector<Slot> slots_;
  std::vector<Run> runs_;
  std::size_t num_length_words_;
  std::size_t num_dense_;
  std::size_t num_header_words_;
  std::size_t dense_column_;
};

}  // namespace freshet
