#pragma once

// How a table's batches go through a shard; shared by the table's source files.

#include <algorithm>
#include <cstdint>

#include "freshet/table.h"

namespace freshet {

/// The calling thread's plan, kept so that its memory is touched once and not with every batch.
BatchPlan& scratch_plan();

template <typename Found, typename Missing>
void Table::visit_groups(const BatchPlan& plan, unsigned shard, Found found, Missing absent) const {
  constexpr std::size_t kBurst = 128;
  const std::span<const BatchPlan::Group> groups = plan.groups_of(shard);
  Place places[kBurst];
  std::uint32_t away[kBurst];
  std::uint32_t missing[kBurst];
  for (std::size_t start = 0; start < groups.size(); start += kBurst) {
    const auto burst = groups.subspan(start, std::min(groups.size() - start, kBurst));
    for (const BatchPlan::Group& group : burst) index_.prefetch(group.hash);
    std::uint32_t num_away = 0;
    std::uint32_t num_missing = 0;
    for (std::uint32_t i = 0; i < burst.size(); ++i) {
      bool may_be_away = false;
      places[i] = index_.find_home(burst[i].hash, may_be_away);
      if (!places[i]) (may_be_away ? away[num_away++] : missing[num_missing++]) = i;
    }
    for (std::uint32_t at = 0; at < num_away; ++at) {
      const std::uint32_t i = away[at];
      places[i] = index_.find_away(burst[i].hash);
      if (!places[i]) missing[num_missing++] = i;
    }
    for (std::uint32_t i = 0; i < burst.size(); ++i) {
      if (places[i]) rows_.prefetch(places[i].row());
    }
    for (std::uint32_t i = 0; i < burst.size(); ++i) {
      if (places[i]) found(burst[i], places[i]);
    }
    // Afterwards, because a new row moves others' cells. In the order of the batch's groups, for replays.
    std::sort(missing, missing + num_missing);
    for (std::uint32_t at = 0; at < num_missing; ++at) absent(burst[missing[at]]);
  }
}

}  // namespace freshet
