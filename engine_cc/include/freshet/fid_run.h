#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "freshet/shared_words.h"

namespace freshet {

/// A sorted array with gaps: the hashes that share their first `depth` bits, each with a value.
///
/// The bits after those, as a fraction, times the number of homes, are the home of a hash. A cell lies at its home or
/// to the right of it, and the cells ascend by hash. This is linear probing with an order: a search, whether it finds
/// or not, ends at the first cell that is not smaller, after some 4 cells at the highest load.
///
/// Invariants:
///  - the hashes of occupied cells ascend; between the home of a cell and the cell there is no empty one;
///  - an empty cell holds the greatest hash, 2^64-1, which is no key; the last cell is always empty;
///  - of the homes, at most 7/8 are occupied after an insert; a rebuild leaves 7/10.
/// An erase moves what lies behind it back, so that there are no tombstones.
///
/// `depth` is an argument of what needs it, for the owner can tell it from where the run stands.
template <typename Value>
class FidRun {
 public:
  static constexpr std::uint64_t kEmpty = UINT64_MAX;

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
  using Cells = std::span<const Cell>;

  FidRun() noexcept = default;

  /// The `num` occupied cells of `sources`, which ascend, at the load of a rebuild.
  FidRun(unsigned depth, std::size_t num, std::initializer_list<Cells> sources, std::size_t tail = kTail)
      : num_homes_(std::max(kLeastHomes, num * 10 / 7)), tail_(tail), num_used_(num) {
    for (;; tail_ *= 2) {
      cells_ = std::make_unique<Cell[]>(num_cells());
      if (take(depth, sources)) return;
    }
  }
  FidRun(FidRun&& other) noexcept
      : cells_(std::move(other.cells_)),
        num_homes_(std::exchange(other.num_homes_, 0)),
        tail_(std::exchange(other.tail_, 0)),
        num_used_(std::exchange(other.num_used_, 0)) {}
  FidRun& operator=(FidRun&& other) noexcept {
    cells_ = std::move(other.cells_);
    num_homes_ = std::exchange(other.num_homes_, 0);
    tail_ = std::exchange(other.tail_, 0);
    num_used_ = std::exchange(other.num_used_, 0);
    return *this;
  }

  std::size_t size() const noexcept { return num_used_; }
  Cells cells() const noexcept { return {cells_.get(), num_cells()}; }
  std::size_t memory_bytes() const noexcept { return num_cells() * sizeof(Cell); }

  void prefetch(std::uint64_t hash, unsigned depth) const noexcept {
    if (num_homes_ != 0) prefetch_to_read(&cells_[home(hash, depth)]);
  }

  /// The first cell from the home on whose hash is not smaller; an empty one is smaller than none. 0 without cells.
  std::size_t place_of(std::uint64_t hash, unsigned depth) const noexcept {
    if (num_homes_ == 0) return 0;
    std::size_t place = home(hash, depth);
    while (cells_[place].hash() < hash) ++place;
    return place;
  }

  /// Where the next occupied cell from `place` on is; the number of cells if there is none.
  std::size_t occupied_from(std::size_t place) const noexcept {
    while (place < num_cells() && cells_[place].is_empty()) ++place;
    return place;
  }

  bool holds(std::size_t place, std::uint64_t hash) const noexcept {
    return place < num_cells() && cells_[place].hash() == hash;
  }
  Cell& at(std::size_t place) noexcept { return cells_[place]; }
  const Cell& at(std::size_t place) const noexcept { return cells_[place]; }

  /// Adds an absent hash. Strong guarantee.
  Cell& insert(std::uint64_t hash, unsigned depth, const Value& value) {
    if ((num_used_ + 1) * 8 > num_homes_ * 7) *this = FidRun(depth, num_used_, {cells()});
    for (;; *this = FidRun(depth, num_used_, {cells()}, 2 * tail_)) {
      const std::size_t place = place_of(hash, depth);
      std::size_t end = place;
      while (!cells_[end].is_empty()) ++end;
      if (end + 1 == num_cells()) continue;  // the last cell stays empty
      std::move_backward(&cells_[place], &cells_[end], &cells_[end] + 1);
      cells_[place] = Cell(hash, value);
      ++num_used_;
      return cells_[place];
    }
  }

  /// Empties an occupied cell; those behind it that are not at home move up.
  void remove(std::size_t place, unsigned depth) noexcept {
    std::size_t last = place;
    while (!cells_[last + 1].is_empty() && home(cells_[last + 1].hash(), depth) <= last) ++last;
    std::move(&cells_[place] + 1, &cells_[last] + 1, &cells_[place]);
    cells_[last] = Cell();
    --num_used_;
  }

  /// Gives memory back when less than 3/8 of the homes are occupied. Without memory to rebuild with, stays as it is.
  void shrink(unsigned depth) noexcept {
    if (num_used_ == 0) *this = FidRun();
    if (num_homes_ <= kLeastHomes || num_used_ * 8 >= num_homes_ * 3) return;
    try {
      *this = FidRun(depth, num_used_, {cells()});
    } catch (const std::bad_alloc&) {
      return;  // the next erase tries again
    }
  }

 private:
  static constexpr std::size_t kLeastHomes = 16;
  static constexpr std::size_t kTail = 16;  // behind the homes; one run in a hundred needs a longer one

  std::size_t num_cells() const noexcept { return num_homes_ + tail_; }

  std::size_t home(std::uint64_t hash, unsigned depth) const noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::size_t>((Wide{hash << depth} * num_homes_) >> 64);
  }

  /// Whether all occupied cells of the sources found a place.
  bool take(unsigned depth, std::initializer_list<Cells> sources) noexcept {
    std::size_t next = 0;
    for (const Cells& source : sources) {
      for (const Cell& cell : source) {
        if (cell.is_empty()) continue;
        next = std::max(home(cell.hash(), depth), next);
        if (next + 1 >= num_cells()) return false;
        cells_[next++] = cell;
      }
    }
    return true;
  }

  std::unique_ptr<Cell[]> cells_;
  std::size_t num_homes_ = 0;
  std::size_t tail_ = 0;  // cells behind the last home
  std::size_t num_used_ = 0;
};

}  // namespace freshet
