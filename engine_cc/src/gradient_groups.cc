#include "freshet/gradient_groups.h"

#include <algorithm>
#include <bit>

namespace freshet {

GradientGroups::GradientGroups(std::size_t batch_size) {
  const std::size_t places = std::bit_ceil(std::max<std::size_t>(2 * batch_size, 2));
  shift_ = 32 - static_cast<unsigned>(std::bit_width(places) - 1);
  group_of_.assign(places, kEnd);
  groups_.reserve(batch_size);
  next_.assign(batch_size, kEnd);
}

void GradientGroups::add(std::uint32_t row, std::uint32_t position) noexcept {
  // Row numbers are given out by the arena, not chosen by a caller: a multiplication spreads them well
  // enough.
  std::size_t at = (row * std::uint32_t{0x9E3779B1}) >> shift_;
  for (;; at = (at + 1) & (group_of_.size() - 1)) {
    const std::uint32_t number = group_of_[at];
    if (number == kEnd) {
      group_of_[at] = static_cast<std::uint32_t>(groups_.size());
      groups_.push_back({row, position, position, 1});
      return;
    }
    Group& group = groups_[number];
    if (group.row != row) continue;
    next_[group.last] = position;
    group.last = position;
    ++group.num_positions;
    return;
  }
}

}  // namespace freshet
