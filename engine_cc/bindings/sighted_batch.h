#pragma once

#include "freshet/table.h"

namespace freshet::python {

/// A SightedBatch and the table that may use it: its row numbers mean nothing to another.
struct BoundBatch {
  const Table* table;
  SightedBatch batch;
};

}  // namespace freshet::python
