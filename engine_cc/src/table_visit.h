#pragma once

// How a table's batches go through a shard; shared by the table's source files.

#include <algorithm>
#include <cstdint>

#include "freshet/shared_words.h"
#include "freshet/table.h"

namespace freshet {

/// The calling thread's plan, kept so that its memory is touched once and not with every batch.
BatchPlan& scratch_plan();

/// For batches that read and write nothing of the caller's by position.
struct AskNothing {
  void operator()(const BatchPlan::Group&) const noexcept {}
};

/// Asks for the rows of the caller's matrix that belong to a group's first positions.
struct AskMatrix {
  const BatchPlan& plan;
  const float* matrix;
  std::size_t dim;

  void operator()(const BatchPlan::Group& group) const noexcept {
    constexpr std::uint32_t kMost = 8;  // beyond, the processor sees for itself that there is a loop
    std::uint32_t at = group.first;
    for (std::uint32_t num = 0; num < kMost && at != BatchPlan::kEnd; ++num, at = plan.next(at)) {
      const float* const row = matrix + std::size_t{at} * dim;
      for (std::size_t i = 0; i < dim; i += 16) prefetch_to_read(row + i);
    }
  }
};

/// A few groups on their way through a shard.
struct GroupBurst {
  static constexpr std::size_t kSize = 32;
  using Index = KeyIndex<MarkedBucket>;

  std::span<const BatchPlan::Group> groups;
  Index::Home homes[kSize];
  Index::Place places[kSize];

  void find_homes(const Index& index) noexcept {
    for (std::uint32_t i = 0; i < groups.size(); ++i) homes[i] = index.home(groups[i].hash);
  }
};

/// In three steps, each a burst ahead of the next, so that every step finds in the cache what the one before asked for:
/// buckets are asked for; rows are found and asked for; rows are visited, a whole burst at a time if `found` can.
template <typename Ask, typename Found, typename Missing>
void Table::visit_groups(std::span<const BatchPlan::Group> groups, Ask ask, Found&& found,
                         Missing absent) const {
  if (groups.empty()) return;
  const unsigned shard = HashParts::shard(groups.front().hash);
  GroupBurst bursts[3];
  const auto ask_buckets = [&](std::size_t number) {
    GroupBurst& burst = bursts[number % 3];
    const std::size_t start = std::min(groups.size(), number * GroupBurst::kSize);
    burst.groups = groups.subspan(start, std::min(groups.size() - start, GroupBurst::kSize));
    burst.find_homes(index_);
    for (std::uint32_t i = 0; i < burst.groups.size(); ++i) prefetch_to_write(burst.homes[i].bucket);
  };
  ask_buckets(0);
  ask_buckets(1);
  find_burst(bursts[0], ask);
  for (std::size_t number = 0; !bursts[number % 3].groups.empty(); ++number) {
    GroupBurst& burst = bursts[number % 3];
    GroupBurst& next = bursts[(number + 1) % 3];
    ask_buckets(number + 2);
    std::uint32_t missing[GroupBurst::kSize];
    std::uint32_t num_missing = 0;
    for (std::uint32_t i = 0; i < burst.groups.size(); ++i) {
      if (!burst.places[i]) missing[num_missing++] = i;
    }
    for (std::uint32_t at = 0; at < num_missing; ++at) {
      index_.prefetch_room(burst.groups[missing[at]].hash, burst.homes[missing[at]]);
    }
    find_burst(next, ask);
    if constexpr (requires { found.visit(burst); }) {
      found.visit(burst);
    } else {
      for (std::uint32_t i = 0; i < burst.groups.size(); ++i) {
        if (burst.places[i]) found(burst.groups[i], burst.places[i]);
      }
    }
    if (num_missing == 0) continue;
    const std::uint32_t num_moves = index_.num_moves(shard);
    const std::uint32_t num_splits = index_.num_splits(shard);
    for (std::uint32_t at = 0; at < num_missing; ++at) absent(burst.groups[missing[at]]);
    if (index_.num_splits(shard) != num_splits) {
      next.find_homes(index_);
      bursts[(number + 2) % 3].find_homes(index_);
    }
    if (index_.num_moves(shard) == num_moves) continue;
    for (std::uint32_t i = 0; i < next.groups.size(); ++i) {  // what is absent still is
      if (next.places[i]) next.places[i] = index_.find(next.groups[i].hash);
    }
  }
}

template <typename Ask>
void Table::find_burst(GroupBurst& burst, Ask& ask) const {
  std::uint32_t away[GroupBurst::kSize];
  std::uint32_t num_away = 0;
  const std::span<const BatchPlan::Group> groups = burst.groups;
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    bool may_be_away = false;
    burst.places[i] = index_.find_home(groups[i].hash, burst.homes[i], may_be_away);
    if (may_be_away) away[num_away++] = i;
  }
  for (std::uint32_t at = 0; at < num_away; ++at) {
    const std::uint32_t i = away[at];
    burst.places[i] = index_.find_away(groups[i].hash, burst.homes[i]);
  }
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    if (burst.places[i]) {
      rows_.prefetch(burst.places[i].row());
    } else {
      index_.prefetch_other(groups[i].hash, burst.homes[i]);  // it is about to be filled
    }
    ask(groups[i]);
  }
}

}  // namespace freshet
