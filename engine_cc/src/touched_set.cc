#include "freshet/touched_set.h"

#include <algorithm>

namespace freshet {

void TouchedSet::touch_first_time(std::uint32_t row) {
  std::uint8_t& state = rows_.state(row);
  if ((state & kListed) == 0) list_.push_back(row);
  state |= kTouched | kListed;
  ++num_rows_;
  if (!deleted_.empty()) deleted_.erase(rows_.fid(row));
}

void TouchedSet::reserve_in_flight(std::size_t num) {
  const std::size_t needed = in_flight_.size() + num;
  if (needed > in_flight_.capacity()) in_flight_.reserve(std::max(needed, 2 * in_flight_.capacity()));
}

std::uint32_t TouchedSet::take_row() noexcept {
  for (;;) {
    const std::uint32_t row = list_.front();
    list_.pop_front();
    std::uint8_t& state = rows_.state(row);
    const bool touched = (state & kTouched) != 0;
    state &= static_cast<std::uint8_t>(~(kTouched | kListed));
    if (!touched) continue;
    state |= kInFlight;
    --num_rows_;
    in_flight_.push_back(rows_.fid(row));
    return row;
  }
}

std::uint64_t TouchedSet::take_deleted() noexcept {
  const auto first = deleted_.begin();
  const std::uint64_t fid = *first;
  in_flight_.push_back(fid);
  deleted_.erase(first);
  return fid;
}

void TouchedSet::clear() noexcept {
  constexpr auto keep = static_cast<std::uint8_t>(~(kTouched | kInFlight | kListed));
  for (const std::uint32_t row : list_) rows_.state(row) &= keep;
  list_.clear();
  num_rows_ = 0;
  deleted_.clear();
  in_flight_.clear();
}

std::size_t TouchedSet::memory_bytes() const noexcept {
  constexpr std::size_t kNodeBytes = 4 * sizeof(void*);  // next, value, and what the allocator adds
  return list_.size() * sizeof(std::uint32_t) + deleted_.size() * kNodeBytes +
         deleted_.bucket_count() * sizeof(void*) + in_flight_.capacity() * sizeof(std::uint64_t);
}

}  // namespace freshet
