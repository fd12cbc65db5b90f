#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "freshet/mix.h"

namespace freshet {

/// A map from any FID (0 and 2^64-1 included) to a trivially copyable value: a sorted array with gaps.
///
/// A cell holds the FID's hash, a salted bijection, so that the FID is had back from it. The top bits of the
/// hash are the home of a cell in an array of a power of two; a cell lies at its home or to the right of it, and
/// the cells lie in ascending order of hash over the whole array. This is linear probing with an order: a
/// search, whether it finds or not, ends at the first cell that is not smaller.
///
/// Invariants:
///  - the hashes of occupied cells ascend; between the home of a cell and the cell there is no empty one;
///  - an empty cell holds the greatest hash, 2^64-1; the last cell is always empty, so that searches end. The one FID
///    with that hash is kept beside the array;
///  - capacity is 0, or a power of two with at least 1/8 of it occupied (or the least, or as left by a shrink that
///    found no memory), at most 3/4 to 7/8. Which, depends on the salt, so that maps with different salts do not all
///    grow at the same size.
/// An erase moves what lies behind it back: there are no tombstones, and where a cell lies depends on the
/// contents and the capacity, not on the history. What the order of hashes gives beyond speed is `visit`.
///
/// Cost: find, insert and erase O(1) expected at any contents chosen without knowledge of the salt (some 4 cells
/// read at the highest load); O(size) for FIDs chosen to share a home. A rehash (doubling, or shrinking to a quarter
/// when less than 1/8 is occupied) is one pass over both arrays in order. It is what one insert may cost at worst, and
/// holds both arrays for that time; a table has one map in each of its 16 lock stripes, so it is a sixteenth of the
/// whole. Measured with 12-byte values: 25 ns for each entry moved, most of it the first touch of new pages; 15 ms when
/// a table has 10 M entries, 40 ms at 27 M.
///
/// Memory: (8 + sizeof(Value)) bytes a cell. Freed to the allocator by shrinking and by `clear`.
///
/// Not thread safe: const methods may run together, others need exclusion. Pointers to values are good until the
/// next insert or erase.
template <typename Value>
class FidMap {
  static_assert(std::is_trivially_copyable_v<Value> && std::is_nothrow_default_constructible_v<Value>);

 public:
  struct Insertion {
    Value* value;
    bool is_new;
  };

  explicit FidMap(std::uint64_t salt) noexcept : salt_(mix64(salt + kGolden64)) {}
  FidMap(FidMap&& other) noexcept : FidMap(0) { swap(other); }
  FidMap& operator=(FidMap&& other) noexcept {
    FidMap moved(std::move(other));
    swap(moved);
    return *this;
  }

  /// Where a FID stands in the order of this map, and the FID that stands there.
  std::uint64_t hash(std::uint64_t fid) const noexcept { return mix64(fid ^ salt_); }
  std::uint64_t fid_of(std::uint64_t hash) const noexcept { return unmix64(hash) ^ salt_; }

  /// Asks for the home of a FID ahead of `find`.
  void prefetch(std::uint64_t fid) const noexcept {
    if (capacity_ != 0) __builtin_prefetch(&cells_[hash(fid) >> shift_]);
  }

  /// The FID's value, or nullptr.
  const Value* find(std::uint64_t fid) const noexcept {
    const std::uint64_t wanted = hash(fid);
    if (wanted == kEmpty) return has_last_ ? &last_ : nullptr;
    if (capacity_ == 0) return nullptr;
    const Cell& cell = cells_[place_of(wanted)];
    return cell.hash() == wanted ? &cell.value : nullptr;
  }
  Value* find(std::uint64_t fid) noexcept { return const_cast<Value*>(std::as_const(*this).find(fid)); }

  /// The FID's value, which is `value` if it had none. Strong guarantee: std::bad_alloc changes nothing.
  Insertion insert(std::uint64_t fid, const Value& value) {
    const std::uint64_t wanted = hash(fid);
    if (wanted == kEmpty) {
      const bool is_new = !has_last_;
      if (is_new) last_ = value;
      has_last_ = true;
      return {&last_, is_new};
    }
    if (capacity_ != 0) {
      Cell& cell = cells_[place_of(wanted)];
      if (cell.hash() == wanted) return {&cell.value, false};
    }
    const Value copy = value;  // it may lie in the array that moves
    Cell& cell = make_place(wanted);
    cell = Cell(wanted, copy);
    ++num_cells_used_;
    return {&cell.value, true};
  }

  /// Removes the FID; whether it was there.
  bool erase(std::uint64_t fid) noexcept {
    const std::uint64_t wanted = hash(fid);
    if (wanted == kEmpty) return std::exchange(has_last_, false);
    if (capacity_ == 0) return false;
    const std::size_t place = place_of(wanted);
    if (cells_[place].hash() != wanted) return false;
    remove(place);
    shrink();
    return true;
  }

  std::size_t size() const noexcept { return num_cells_used_ + (has_last_ ? 1 : 0); }
  bool empty() const noexcept { return size() == 0; }
  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t memory_bytes() const noexcept { return sizeof(*this) + num_cells() * sizeof(Cell); }

  /// Forgets everything and frees the memory.
  void clear() noexcept {
    cells_.reset();
    capacity_ = tail_ = num_cells_used_ = 0;
    has_last_ = false;
  }

  /// Calls `see(fid, value)` for each FID, in ascending order of hash.
  template <typename See>
  void for_each(See&& see) const {
    for (std::size_t i = 0; i < num_cells(); ++i) {
      if (!cells_[i].is_empty()) see(fid_of(cells_[i].hash()), cells_[i].value);
    }
    if (has_last_) see(fid_of(kEmpty), last_);
  }

  /// Calls `keep(fid, value)` for the next `max_entries` FIDs in ascending order of hash from hash `from` on, and
  /// erases those for which it answers false. Answers where to go on, 0 when the end was reached. The order does not
  /// depend on the capacity: a FID that is in the map throughout a lap from 0 to 0 is seen once in it, whatever is
  /// inserted and erased between the calls. `keep` must not throw, nor touch the map.
  template <typename Keep>
  std::uint64_t visit(std::uint64_t from, std::size_t max_entries, Keep&& keep) noexcept {
    std::size_t place = capacity_ == 0 || from == kEmpty ? num_cells() : place_of(from);
    std::uint64_t next = from;
    for (; max_entries != 0; --max_entries) {
      while (place < num_cells() && cells_[place].is_empty()) ++place;
      if (place >= num_cells()) break;
      const std::uint64_t seen = cells_[place].hash();
      next = seen + 1;
      if (keep(fid_of(seen), cells_[place].value)) {
        ++place;
      } else {
        remove(place);
      }
    }
    if (max_entries != 0) {
      if (has_last_ && !keep(fid_of(kEmpty), last_)) has_last_ = false;
      next = 0;
    }
    shrink();
    return next;
  }

 private:
  static constexpr std::uint64_t kEmpty = UINT64_MAX;
  static constexpr std::size_t kLeastCapacity = 16;
  static constexpr std::size_t kTail =
      64;  // behind the homes; a longer one was never needed at random contents

  /// The hash lies in halves so that a cell is no more aligned than its value: 20 bytes with a 12-byte value.
  class Cell {
   public:
    Cell() noexcept = default;
    Cell(std::uint64_t hash, const Value& of_hash) noexcept
        : value(of_hash),
          low_(static_cast<std::uint32_t>(hash)),
          high_(static_cast<std::uint32_t>(hash >> 32)) {}
    std::uint64_t hash() const noexcept { return std::uint64_t{high_} << 32 | low_; }
    bool is_empty() const noexcept { return hash() == kEmpty; }

    [[no_unique_address]] Value value{};

   private:
    std::uint32_t low_ = UINT32_MAX;
    std::uint32_t high_ = UINT32_MAX;
  };
  static_assert(std::is_trivially_copyable_v<Cell>);

  std::size_t num_cells() const noexcept { return capacity_ + tail_; }
  std::size_t num_cells_allowed(std::size_t capacity) const noexcept {
    return capacity * (24 + salt_ % 5) / 32;
  }

  /// The first cell from the home on whose hash is not smaller. Precondition: capacity is not 0.
  std::size_t place_of(std::uint64_t wanted) const noexcept {
    std::size_t place = wanted >> shift_;
    while (cells_[place].hash() < wanted) ++place;
    return place;
  }

  /// A cell in the right place for an absent hash, what was there moved to the right.
  Cell& make_place(std::uint64_t wanted) {
    if (num_cells_used_ + 1 > num_cells_allowed(capacity_)) {
      rehash(std::max(kLeastCapacity, 2 * capacity_), kTail);
    }
    for (;; rehash(capacity_, 2 * tail_)) {
      const std::size_t place = place_of(wanted);
      std::size_t end = place;
      while (!cells_[end].is_empty()) ++end;
      if (end + 1 == num_cells()) continue;  // the last cell stays empty
      std::move_backward(&cells_[place], &cells_[end], &cells_[end] + 1);
      return cells_[place];
    }
  }

  /// Empties a cell; those behind it that are not at home move up.
  void remove(std::size_t place) noexcept {
    std::size_t last = place;
    while (!cells_[last + 1].is_empty() && cells_[last + 1].hash() >> shift_ <= last) ++last;
    std::move(&cells_[place] + 1, &cells_[last] + 1, &cells_[place]);
    cells_[last] = Cell();
    --num_cells_used_;
  }

  void shrink() noexcept {
    if (capacity_ <= kLeastCapacity || num_cells_used_ >= capacity_ / 8) return;
    if (num_cells_used_ == 0) {
      cells_.reset();
      capacity_ = tail_ = 0;
      return;
    }
    try {
      rehash(std::max(kLeastCapacity, capacity_ / 4), kTail);
    } catch (const std::bad_alloc&) {
      // the array stays larger than it need be; the next erase tries again
    }
  }

  void rehash(std::size_t capacity, std::size_t tail) {
    const auto shift = static_cast<unsigned>(__builtin_clzll(capacity)) + 1;
    auto cells = std::make_unique<Cell[]>(capacity + tail);
    while (!copy_to(cells.get(), shift, capacity + tail)) {
      tail *= 2;
      cells = std::make_unique<Cell[]>(capacity + tail);
    }
    cells_ = std::move(cells);
    shift_ = shift;
    capacity_ = capacity;
    tail_ = tail;
  }

  bool copy_to(Cell* target, unsigned shift, std::size_t num_target_cells) const noexcept {
    std::size_t next = 0;
    for (std::size_t i = 0; i < num_cells(); ++i) {
      if (cells_[i].is_empty()) continue;
      const std::size_t place = std::max<std::size_t>(cells_[i].hash() >> shift, next);
      if (place + 1 >= num_target_cells) return false;
      target[place] = cells_[i];
      next = place + 1;
    }
    return true;
  }

  void swap(FidMap& other) noexcept {
    std::swap(salt_, other.salt_);
    std::swap(cells_, other.cells_);
    std::swap(capacity_, other.capacity_);
    std::swap(tail_, other.tail_);
    std::swap(num_cells_used_, other.num_cells_used_);
    std::swap(shift_, other.shift_);
    std::swap(has_last_, other.has_last_);
    std::swap(last_, other.last_);
  }

  std::uint64_t salt_;
  std::unique_ptr<Cell[]> cells_;
  std::size_t capacity_ = 0;        // homes: a power of two
  std::size_t tail_ = 0;            // cells behind the last home
  std::size_t num_cells_used_ = 0;  // without the FID kept in `last_`
  unsigned shift_ = 0;              // 64 - log2(capacity)
  bool has_last_ = false;
  Value last_{};
};

/// A set of FIDs, with what `FidMap` says of order, cost, memory and threads.
class FidSet {
 public:
  explicit FidSet(std::uint64_t salt) noexcept : fids_(salt) {}

  void prefetch(std::uint64_t fid) const noexcept { fids_.prefetch(fid); }
  bool contains(std::uint64_t fid) const noexcept { return fids_.find(fid) != nullptr; }

  /// Whether the FID was absent. Strong guarantee.
  bool insert(std::uint64_t fid) { return fids_.insert(fid, Nothing{}).is_new; }
  bool erase(std::uint64_t fid) noexcept { return fids_.erase(fid); }

  /// Removes one FID and answers it; the next in order after the one taken last. Precondition: not empty.
  std::uint64_t take() noexcept {
    std::uint64_t taken = 0;
    bool found = false;
    while (!found) {
      next_ = fids_.visit(next_, 1, [&](std::uint64_t fid, Nothing&) {
        taken = fid;
        found = true;
        return false;
      });
    }
    return taken;
  }

  std::size_t size() const noexcept { return fids_.size(); }
  bool empty() const noexcept { return fids_.empty(); }
  std::size_t memory_bytes() const noexcept { return sizeof(*this) - sizeof(fids_) + fids_.memory_bytes(); }
  void clear() noexcept { fids_.clear(); }

  /// Calls `see(fid)` for each FID, in ascending order of hash.
  template <typename See>
  void for_each(See&& see) const {
    fids_.for_each([&see](std::uint64_t fid, const Nothing&) { see(fid); });
  }

 private:
  struct Nothing {};

  FidMap<Nothing> fids_;
  std::uint64_t next_ = 0;  // where `take` goes on
};

}  // namespace freshet
