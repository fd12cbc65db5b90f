#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <cstddef>
#include <cstdint>

#include "freshet/hash_parts.h"
#include "freshet/shared_words.h"

namespace freshet {

// Two kinds of bucket, each one cache line. Both answer the same questions: which cells match a remainder, which
// row a cell names, and how many keys at home here lie in their other bucket (`num_away`, which sticks at 255).
// Readers may look while one thread writes; what they find is valid if the version has not moved: of the shard, which
// a batch of readers checks once for many keys and so is cheapest while little is inserted and erased; or of the
// segment (`kVersionBySegment`), for a table whose writer changes versions with every row.

/// What a training table knows of a row beside its floats.
struct RowMark {
  static constexpr std::uint32_t kTouched = 1U << 21;  // changed since it was last exported
  static constexpr std::uint32_t kDirty = 1U << 22;    // changed since the last checkpoint
  static constexpr std::uint32_t kSaved =
      1U << 23;  // equal to the table's parity: the running checkpoint has it
  static constexpr std::uint32_t kInFlight = 1U << 24;  // exported, not yet acknowledged
  static constexpr std::uint32_t kAll = kTouched | kDirty | kSaved | kInFlight;
};

/// Four cells with the row's marks, its count of sightings and the time it was last seen, so that a training step
/// finds and marks a row in one line.
struct alignas(64) MarkedBucket {
  static constexpr std::uint32_t kCells = 4;
  static constexpr double kMaxLoad = 0.95;  // at which a segment splits
  static constexpr bool kVersionBySegment = false;
  static constexpr std::uint32_t kRowMask = (1U << 30) - 1;

  std::uint32_t low[kCells];  // remainder bits 31..0
  std::uint32_t
      middle[kCells];  // remainder bits 50..32, kDisplaced, kOccupied, marks, and count in bits 31..25
  std::uint32_t stamps[kCells];  // seconds
  std::uint32_t rows[kCells];    // 30 bits of row number; the four upper pairs together are num_away

  static constexpr std::uint32_t kHighMask = (1U << 19) - 1;
  static constexpr std::uint32_t kDisplaced = 1U << 19;
  static constexpr std::uint32_t kOccupied = 1U << 20;
  static constexpr unsigned kCountShift = 25;
  static constexpr std::uint32_t kMaxCount = 127;

  /// Bit i for each cell i that holds the remainder (bits 31..0 and the rest) as a key at home here, or away.
  unsigned match(std::uint32_t lower, std::uint32_t rest, bool displaced) const noexcept {
    const std::uint32_t upper = rest | kOccupied | (displaced ? kDisplaced : 0U);
    constexpr std::uint32_t mask = kHighMask | kDisplaced | kOccupied;
#if defined(__SSE2__) && !FRESHET_CHECKED_WORDS
    const __m128i lows = _mm_load_si128(reinterpret_cast<const __m128i*>(low));
    const __m128i middles = _mm_load_si128(reinterpret_cast<const __m128i*>(middle));
    const __m128i same =
        _mm_and_si128(_mm_cmpeq_epi32(lows, _mm_set1_epi32(static_cast<int>(lower))),
                      _mm_cmpeq_epi32(_mm_and_si128(middles, _mm_set1_epi32(static_cast<int>(mask))),
                                      _mm_set1_epi32(static_cast<int>(upper))));
    return static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(same)));
#else
    unsigned found = 0;
    for (unsigned i = 0; i < kCells; ++i) {
      found |= static_cast<unsigned>((load_word(low[i]) == lower) & ((load_word(middle[i]) & mask) == upper))
               << i;
    }
    return found;
#endif
  }

  std::uint32_t row(std::uint32_t cell) const noexcept { return load_word(rows[cell]) & kRowMask; }
  std::uint32_t num_away() const noexcept {
    return load_word(rows[0]) >> 30 | load_word(rows[1]) >> 30 << 2 | load_word(rows[2]) >> 30 << 4 |
           load_word(rows[3]) >> 30 << 6;
  }
  bool is_occupied(std::uint32_t cell) const noexcept { return (load_word(middle[cell]) & kOccupied) != 0; }

  // For the writer. Sets of cells have bit i for cell i.
  unsigned occupied() const noexcept { return cells_with(middle, kOccupied); }
  unsigned displaced() const noexcept { return cells_with(middle, kDisplaced); }
  unsigned with_remainder_bit(unsigned bit) const noexcept {
    return bit < 32 ? cells_with(low, 1U << bit) : cells_with(middle, 1U << (bit - 32));
  }
  /// Empties the other cells and sets num_away to 0.
  void keep(unsigned cells) noexcept {
    for (std::uint32_t i = 0; i < kCells; ++i) {
      store_word(middle[i], middle[i] & (0U - (cells >> i & 1U)));
      store_word(rows[i], rows[i] & kRowMask);
    }
  }
  std::uint64_t remainder(std::uint32_t cell) const noexcept {
    return std::uint64_t{middle[cell] & kHighMask} << 32 | low[cell];
  }
  bool is_displaced(std::uint32_t cell) const noexcept { return (middle[cell] & kDisplaced) != 0; }
  void set_num_away(std::uint32_t num) noexcept {
    for (std::uint32_t i = 0; i < kCells; ++i) {
      store_word(rows[i], (rows[i] & kRowMask) | ((num >> (2 * i)) & 3U) << 30);
    }
  }
  void place(std::uint32_t cell, std::uint64_t remainder, bool displaced, std::uint32_t row) noexcept {
    store_word(low[cell], static_cast<std::uint32_t>(remainder));
    store_word(stamps[cell], 0);
    store_word(rows[cell], (rows[cell] & ~kRowMask) | row);
    store_word(middle[cell],
               static_cast<std::uint32_t>(remainder >> 32) | kOccupied | (displaced ? kDisplaced : 0U));
  }
  /// As place, with the marks, count and stamp of a cell elsewhere.
  void take(std::uint32_t cell, const MarkedBucket& from, std::uint32_t from_cell, bool displaced) noexcept {
    store_word(low[cell], from.low[from_cell]);
    store_word(stamps[cell], from.stamps[from_cell]);
    store_word(rows[cell], (rows[cell] & ~kRowMask) | (from.rows[from_cell] & kRowMask));
    store_word(middle[cell], (from.middle[from_cell] & ~kDisplaced) | (displaced ? kDisplaced : 0U));
  }
  void clear(std::uint32_t cell) noexcept { store_word(middle[cell], 0); }

  std::uint32_t count(std::uint32_t cell) const noexcept { return middle[cell] >> kCountShift; }
  void set_count(std::uint32_t cell, std::uint32_t count) noexcept {
    store_word(middle[cell], (middle[cell] & ((1U << kCountShift) - 1)) | count << kCountShift);
  }
  std::uint32_t marks(std::uint32_t cell) const noexcept { return middle[cell] & RowMark::kAll; }
  void set_marks(std::uint32_t cell, std::uint32_t marks) noexcept {
    store_word(middle[cell], (middle[cell] & ~RowMark::kAll) | marks);
  }

 private:
  static unsigned cells_with(const std::uint32_t* words, std::uint32_t bit) noexcept {
    unsigned found = 0;
    for (unsigned i = 0; i < kCells; ++i) found |= static_cast<unsigned>((words[i] & bit) != 0) << i;
    return found;
  }
};
static_assert(sizeof(MarkedBucket) == 64);

/// Six cells with nothing but the row number: for a serving table.
struct alignas(64) CompactBucket {
  static constexpr std::uint32_t kCells = 6;
  static constexpr double kMaxLoad = 0.95;
  static constexpr bool kVersionBySegment = true;
  static constexpr std::uint32_t kRowMask = (1U << 29) - 1;

  std::uint32_t low[kCells];    // remainder bits 31..0
  std::uint32_t rows[kCells];   // remainder bits 34..32 above 29 bits of row number
  std::uint16_t upper[kCells];  // remainder bits 50..35
  std::uint32_t state;  // num_away in bits 31..24, displaced cells from bit 8, occupied cells from bit 0

  static constexpr unsigned kDisplacedShift = 8;
  static constexpr unsigned kAwayShift = 24;
  static constexpr unsigned kCellsMask = (1U << kCells) - 1;

  unsigned match(std::uint32_t lower, std::uint32_t rest, bool displaced) const noexcept {
    const std::uint32_t seen = load_word(state);
    const unsigned away = seen >> kDisplacedShift;
    const unsigned possible = seen & (displaced ? away : ~away) & kCellsMask;
    unsigned found = 0;
#if defined(__SSE2__) && !FRESHET_CHECKED_WORDS
    const __m128i key = _mm_set1_epi32(static_cast<int>(lower));
    const auto* const line = reinterpret_cast<const __m128i*>(low);
    const __m128i first = _mm_cmpeq_epi32(_mm_load_si128(line), key);
    const __m128i second = _mm_cmpeq_epi32(_mm_load_si128(line + 1), key);  // its upper half is of rows
    found = (static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(first))) |
             static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(second))) << 4) &
            possible;
#else
    for (unsigned i = 0; i < kCells; ++i) found |= static_cast<unsigned>(load_word(low[i]) == lower) << i;
    found &= possible;
#endif
    for (unsigned left = found; left != 0; left &= left - 1) {  // nearly always once, and it holds
      const auto cell = static_cast<std::uint32_t>(__builtin_ctz(left));
      if (upper_bits(cell) != rest) found &= ~(1U << cell);
    }
    return found;
  }

  std::uint32_t row(std::uint32_t cell) const noexcept { return load_word(rows[cell]) & kRowMask; }
  std::uint32_t num_away() const noexcept { return load_word(state) >> kAwayShift; }
  bool is_occupied(std::uint32_t cell) const noexcept { return (load_word(state) >> cell & 1U) != 0; }

  // For the writer. Sets of cells have bit i for cell i.
  unsigned occupied() const noexcept { return state & kCellsMask; }
  unsigned displaced() const noexcept { return state >> kDisplacedShift & state & kCellsMask; }
  unsigned with_remainder_bit(unsigned bit) const noexcept {
    unsigned found = 0;
    for (unsigned i = 0; i < kCells; ++i) found |= static_cast<unsigned>(remainder(i) >> bit & 1U) << i;
    return found;
  }
  /// Empties the other cells and sets num_away to 0.
  void keep(unsigned cells) noexcept { store_word(state, state & (cells | cells << kDisplacedShift)); }
  std::uint64_t remainder(std::uint32_t cell) const noexcept {
    return std::uint64_t{upper_bits(cell)} << 32 | low[cell];
  }
  bool is_displaced(std::uint32_t cell) const noexcept {
    return (state >> (kDisplacedShift + cell) & 1U) != 0;
  }
  void set_num_away(std::uint32_t num) noexcept {
    store_word(state, (state & ((1U << kAwayShift) - 1)) | num << kAwayShift);
  }
  void place(std::uint32_t cell, std::uint64_t remainder, bool displaced, std::uint32_t row) noexcept {
    store_word(low[cell], static_cast<std::uint32_t>(remainder));
    store_word(rows[cell], static_cast<std::uint32_t>(remainder >> 32 & 7U) << 29 | row);
    store_upper(cell, static_cast<std::uint16_t>(remainder >> 35));
    const std::uint32_t bit = 1U << (kDisplacedShift + cell);
    store_word(state, (displaced ? state | bit : state & ~bit) | 1U << cell);
  }
  void take(std::uint32_t cell, const CompactBucket& from, std::uint32_t from_cell, bool displaced) noexcept {
    place(cell, from.remainder(from_cell), displaced, from.row(from_cell));
  }
  void clear(std::uint32_t cell) noexcept {
    store_word(state, state & ~(1U << cell | 1U << (kDisplacedShift + cell)));
  }

 private:
  std::uint32_t upper_bits(std::uint32_t cell) const noexcept {
#if FRESHET_CHECKED_WORDS
    const std::uint16_t bits = std::atomic_ref<std::uint16_t>(const_cast<std::uint16_t&>(upper[cell]))
                                   .load(std::memory_order_relaxed);
#else
    const std::uint16_t bits = upper[cell];
#endif
    return std::uint32_t{bits} << 3 | load_word(rows[cell]) >> 29;
  }
  void store_upper(std::uint32_t cell, std::uint16_t bits) noexcept {
    std::atomic_ref<std::uint16_t>(upper[cell]).store(bits, std::memory_order_relaxed);
  }
};
static_assert(sizeof(CompactBucket) == 64);

}  // namespace freshet
