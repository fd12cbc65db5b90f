#pragma once

#include <cstdint>
#include <vector>

#include "freshet/table.h"

namespace freshet::python {

/// A SightedBatch and the table that may use it: its row numbers mean nothing to another.
struct BoundBatch {
  const Table* table;
  SightedBatch batch;
};

/// What was planned of a batch ahead of its sighting, kept to be used again: its memory is touched once.
struct BoundPlan {
  const Table* table = nullptr;
  std::vector<std::uint64_t> fids;
  BatchPlan plan;
};

}  // namespace freshet::python
