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

  std::span<const BatchPlan::Group> groups;
  KeyIndex<MarkedBucket>::Place places[kSize];
};

/// In three steps, each a burst ahead of the next, so that every step finds in the cache what the one before asked for:
/// buckets are asked for; rows are found and asked for; rows are visited, a whole burst at a time if `found` can.
template <typename Ask, typename Found, typename Missing>
void Table::visit_groups(std::span<const BatchPlan::Group> groups, Ask ask, Found&& found,
                         Missing absent) const {
  const auto burst_at = [&](std::size_t start) {
    return start < groups.size() ? groups.subspan(start, std::min(groups.size() - start, GroupBurst::kSize))
                                 : std::span<const BatchPlan::Group>();
  };
  const auto ask_buckets = [&](std::size_t start) {
    for (const BatchPlan::Group& group : burst_at(start)) index_.prefetch(group.hash);
  };
  GroupBurst bursts[2];
  ask_buckets(0);
  ask_buckets(GroupBurst::kSize);
  find_burst(bursts[0], burst_at(0), ask);
  for (std::size_t start = 0; start < groups.size(); start += GroupBurst::kSize) {
    GroupBurst& burst = bursts[start / GroupBurst::kSize % 2];
    GroupBurst& next = bursts[(start / GroupBurst::kSize + 1) % 2];
    ask_buckets(start + 2 * GroupBurst::kSize);
    find_burst(next, burst_at(start + GroupBurst::kSize), ask);
    std::uint32_t missing[GroupBurst::kSize];
    std::uint32_t num_missing = 0;
    for (std::uint32_t i = 0; i < burst.groups.size(); ++i) {
      if (!burst.places[i]) {
        missing[num_missing++] = i;
      } else if constexpr (!requires { found.visit(burst); }) {
        found(burst.groups[i], burst.places[i]);
      }
    }
    if constexpr (requires { found.visit(burst); }) found.visit(burst);
    if (num_missing == 0) continue;
    for (std::uint32_t at = 0; at < num_missing; ++at) absent(burst.groups[missing[at]]);
    // A new row moves others' cells.
    for (std::uint32_t i = 0; i < next.groups.size(); ++i) next.places[i] = index_.find(next.groups[i].hash);
  }
}

template <typename Ask>
void Table::find_burst(GroupBurst& burst, std::span<const BatchPlan::Group> groups, Ask& ask) const {
  std::uint32_t away[GroupBurst::kSize];
  std::uint32_t num_away = 0;
  burst.groups = groups;
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    bool may_be_away = false;
    burst.places[i] = index_.find_home(groups[i].hash, may_be_away);
    if (may_be_away) away[num_away++] = i;
  }
  for (std::uint32_t at = 0; at < num_away; ++at)
    burst.places[away[at]] = index_.find_away(groups[away[at]].hash);
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    if (burst.places[i]) {
      rows_.prefetch(burst.places[i].row());
    } else {
      index_.prefetch_other(groups[i].hash);  // it is about to be filled
    }
    ask(groups[i]);
  }
}

}  // namespace freshet
