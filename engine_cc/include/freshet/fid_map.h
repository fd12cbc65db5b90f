#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "freshet/fid_run.h"
#include "freshet/mix.h"

namespace freshet {

/// A map from any FID (0 and 2^64-1 included) to a trivially copyable value: runs of hashes, in order.
///
/// What is kept is the FID's hash, a salted bijection, so that the FID is had back from it. The hashes lie in order in
/// runs (see FidRun) of some 500 to 2,000, told apart by their top bits. Growth is linear hashing (Litwin, 1980): when
/// there are more than `kRunEntries` FIDs a run in the mean, the next run in turn splits in two; when there are less
/// than a quarter, the run that was split last is joined again. So runs 0 .. 2 * num_split_ - 1 stand for the values of
/// the top `depth_` + 1 bits, those behind them for the values of `depth_` bits that were not split yet. The one FID
/// whose hash means an empty cell is kept beside them.
///
/// There is no rehash of everything: the worst insert splits one run and rebuilds another, each of some 2,000 cells,
/// and at times doubles the list of runs (32 bytes each). With 12-byte values that took 50 to 140 us, at any size up
/// to 3 million FIDs. Growing holds one run twice, never the map.
///
/// Cost: find, insert and erase O(1) expected for FIDs chosen without knowledge of the salt; for FIDs chosen to share a
/// home O(size), with no more memory.
///
/// Memory: (8 + sizeof(Value)) bytes a cell; 0.7 to 0.875 of the cells are occupied while the map grows, at least 3/8
/// while it shrinks: measured 26 bytes a FID with 12-byte values. Runs that shrink or join give memory back to the
/// allocator, and so does `clear`.
///
/// Where a FID stands in the order depends on the salt alone. What that gives beyond speed is `visit`.
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

  /// The salt may be one by which the FIDs were dealt out already (the table's, for its stripes): it is used otherwise.
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
    if (runs_.empty()) return;
    const std::uint64_t wanted = hash(fid);
    const std::size_t number = run_of(wanted);
    runs_[number].prefetch(wanted, depth_of(number));
  }

  /// The FID's value, or nullptr.
  const Value* find(std::uint64_t fid) const noexcept {
    const std::uint64_t wanted = hash(fid);
    if (wanted == kLast) return has_last_ ? &last_ : nullptr;
    if (runs_.empty()) return nullptr;
    const std::size_t number = run_of(wanted);
    const std::size_t place = runs_[number].place_of(wanted, depth_of(number));
    return runs_[number].holds(place, wanted) ? &runs_[number].at(place).value : nullptr;
  }
  Value* find(std::uint64_t fid) noexcept { return const_cast<Value*>(std::as_const(*this).find(fid)); }

  /// The FID's value, which is `value` if it had none. Strong guarantee: std::bad_alloc changes nothing.
  Insertion insert(std::uint64_t fid, const Value& value) {
    if (Value* const known = find(fid); known != nullptr) return {known, false};
    const Value copy = value;  // it may lie in a run that moves
    const std::uint64_t wanted = hash(fid);
    if (wanted == kLast) {
      last_ = copy;
      has_last_ = true;
      return {&last_, true};
    }
    if (runs_.empty()) runs_.emplace_back();
    if (num_in_runs_ + 1 > kRunEntries * runs_.size()) split();
    const std::size_t number = run_of(wanted);
    auto& cell = runs_[number].insert(wanted, depth_of(number), copy);
    ++num_in_runs_;
    return {&cell.value, true};
  }

  /// Removes the FID; whether it was there.
  bool erase(std::uint64_t fid) noexcept {
    const std::uint64_t wanted = hash(fid);
    if (wanted == kLast) return std::exchange(has_last_, false);
    if (runs_.empty()) return false;
    const std::size_t number = run_of(wanted);
    Run& run = runs_[number];
    const std::size_t place = run.place_of(wanted, depth_of(number));
    if (!run.holds(place, wanted)) return false;
    run.remove(place, depth_of(number));
    --num_in_runs_;
    run.shrink(depth_of(number));
    join_runs();
    return true;
  }

  std::size_t size() const noexcept { return num_in_runs_ + (has_last_ ? 1 : 0); }
  bool empty() const noexcept { return size() == 0; }

  /// O(number of runs).
  std::size_t memory_bytes() const noexcept {
    std::size_t bytes = sizeof(*this) + runs_.capacity() * sizeof(Run);
    for (const Run& run : runs_) bytes += run.memory_bytes();
    return bytes;
  }

  /// Forgets everything and frees the memory.
  void clear() noexcept {
    std::vector<Run>().swap(runs_);
    num_in_runs_ = num_split_ = 0;
    depth_ = 0;
    has_last_ = false;
  }

  /// Calls `see(fid, value)` for each FID, in ascending order of hash.
  template <typename See>
  void for_each(See&& see) const {
    for (const Run& run : runs_) {
      for (const auto& cell : run.cells()) {
        if (!cell.is_empty()) see(fid_of(cell.hash()), cell.value);
      }
    }
    if (has_last_) see(fid_of(kLast), last_);
  }

  /// Calls `keep(fid, value)` for the next `max_entries` FIDs in ascending order of hash from hash `from` on, and
  /// erases those for which it answers false. Answers where to go on, 0 when the end was reached. A FID that is in the
  /// map throughout a lap from 0 to 0 is seen once in it, whatever is inserted and erased between the calls. `keep`
  /// must not throw, nor touch the map.
  template <typename Keep>
  std::uint64_t visit(std::uint64_t from, std::size_t max_entries, Keep&& keep) noexcept {
    std::uint64_t next = from;
    std::size_t num_left = max_entries;
    const std::size_t first = runs_.empty() || from == kLast ? runs_.size() : run_of(from);
    for (std::size_t number = first; number < runs_.size() && num_left != 0; ++number) {
      const std::size_t start = number == first ? runs_[number].place_of(from, depth_of(number)) : 0;
      visit_run(number, start, num_left, next, keep);
    }
    if (num_left != 0) {
      if (has_last_ && !keep(fid_of(kLast), last_)) has_last_ = false;
      next = 0;
    }
    join_runs();
    return next;
  }

 private:
  using Run = FidRun<Value>;
  static constexpr std::uint64_t kLast = Run::kEmpty;
  static constexpr std::size_t kRunEntries = 1024;

  std::size_t run_of(std::uint64_t hash) const noexcept {
    const std::size_t unsplit = hash >> 1 >> (63 - depth_);  // in two shifts, as a shift by 64 has no meaning
    return unsplit < num_split_ ? hash >> (63 - depth_) : unsplit + num_split_;
  }
  unsigned depth_of(std::size_t run) const noexcept { return run < 2 * num_split_ ? depth_ + 1 : depth_; }

  template <typename Keep>
  void visit_run(std::size_t number, std::size_t place, std::size_t& num_left, std::uint64_t& next,
                 Keep& keep) noexcept {
    Run& run = runs_[number];
    const std::size_t num_before = run.size();
    place = run.occupied_from(place);
    for (; num_left != 0 && place < run.cells().size(); place = run.occupied_from(place)) {
      const std::uint64_t seen = run.at(place).hash();
      next = seen + 1;
      --num_left;
      if (keep(fid_of(seen), run.at(place).value)) {
        ++place;
      } else {
        run.remove(place, depth_of(number));
      }
    }
    num_in_runs_ -= num_before - run.size();
    if (run.size() != num_before) run.shrink(depth_of(number));
  }

  /// Splits the next run in turn. Strong guarantee.
  void split() {
    if (runs_.size() == runs_.capacity()) runs_.reserve(2 * runs_.size());
    const std::size_t number = 2 * num_split_;
    const Run& whole = runs_[number];
    const std::uint64_t middle = ((std::uint64_t{num_split_} << 1) | 1) << (63 - depth_);
    const auto below = whole.cells().first(whole.place_of(middle, depth_));
    const auto above = whole.cells().subspan(below.size());
    const auto num_below = static_cast<std::size_t>(
        std::count_if(below.begin(), below.end(), [](const auto& cell) { return !cell.is_empty(); }));
    Run lower(depth_ + 1, num_below, {below});
    Run upper(depth_ + 1, whole.size() - num_below, {above});
    runs_[number] = std::move(lower);
    runs_.insert(runs_.begin() + static_cast<std::ptrdiff_t>(number) + 1, std::move(upper));
    if (++num_split_ == std::size_t{1} << depth_) {
      num_split_ = 0;
      ++depth_;
    }
  }

  /// Undoes splits while the runs are too many; stops without memory to do so.
  void join_runs() noexcept {
    if (num_in_runs_ == 0 && !runs_.empty()) {
      std::vector<Run>().swap(runs_);
      num_split_ = 0;
      depth_ = 0;
    }
    try {
      while (runs_.size() > 1 && num_in_runs_ < kRunEntries / 4 * runs_.size()) join();
    } catch (const std::bad_alloc&) {
      return;  // the next erase tries again
    }
  }

  /// Joins the two runs that were split last. Strong guarantee.
  void join() {
    const bool ends_round = num_split_ == 0;
    const unsigned depth = ends_round ? depth_ - 1 : depth_;
    const std::size_t num_split = (ends_round ? std::size_t{1} << depth : num_split_) - 1;
    const auto lower = runs_.begin() + static_cast<std::ptrdiff_t>(2 * num_split);
    const auto upper = lower + 1;
    *lower = Run(depth, lower->size() + upper->size(), {lower->cells(), upper->cells()});
    runs_.erase(upper);
    depth_ = depth;
    num_split_ = num_split;
  }

  void swap(FidMap& other) noexcept {
    std::swap(salt_, other.salt_);
    std::swap(runs_, other.runs_);
    std::swap(num_in_runs_, other.num_in_runs_);
    std::swap(num_split_, other.num_split_);
    std::swap(depth_, other.depth_);
    std::swap(has_last_, other.has_last_);
    std::swap(last_, other.last_);
  }

  std::uint64_t salt_;
  std::vector<Run> runs_;
  std::size_t num_in_runs_ = 0;
  std::size_t num_split_ = 0;  // of the 2^depth_ values of the top bits, how many have two runs; < 2^depth_
  unsigned depth_ = 0;
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
