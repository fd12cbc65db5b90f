#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "freshet/table.h"

namespace freshet {
namespace {

void check_accumulators(std::span<const float> accumulators) {
  for (const float value : accumulators) {
    if (!(value > 0 && value <= std::numeric_limits<float>::max())) {
      throw std::invalid_argument("accumulators must be finite and positive, received " +
                                  std::to_string(value));
    }
  }
}

}  // namespace

Rows Table::export_rows(std::uint64_t cursor, std::size_t max_rows) const {
  if (max_rows == 0 || max_rows > kMaxBatch) {
    throw std::invalid_argument("max_rows must be 1 to " + std::to_string(kMaxBatch) + ", received " +
                                std::to_string(max_rows));
  }
  const std::size_t dim = options_.dim;
  const SharedLock lock(mutex_);
  Rows rows;
  const std::size_t most = std::min(max_rows, index_.size());
  rows.fids.reserve(most);
  rows.slots.reserve(most);
  rows.touched.reserve(most);
  rows.vectors.reserve(most * dim);
  rows.accumulators.reserve(most * dim);
  for (; cursor < rows_.end_row() && rows.fids.size() < most; ++cursor) {
    const auto row = static_cast<std::uint32_t>(cursor);
    const std::uint8_t state = rows_.state(row);
    if ((state & kLive) == 0) continue;
    rows.fids.push_back(rows_.fid(row));
    rows.slots.push_back(rows_.slot(row));
    rows.touched.push_back((state & (kTouched | kInFlight)) != 0);
    rows.vectors.insert(rows.vectors.end(), rows_.vector(row), rows_.vector(row) + dim);
    rows.accumulators.insert(rows.accumulators.end(), rows_.accumulator(row), rows_.accumulator(row) + dim);
  }
  rows.next_cursor = cursor;
  return rows;
}

void Table::import_rows(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                        std::span<const float> vectors, std::span<const float> accumulators,
                        std::span<const std::uint8_t> touched) {
  check_batch(fids.size());
  check_slots(fids.size(), slots.size());
  check_matrix("vectors", fids.size(), vectors.size());
  if (!accumulators.empty()) check_matrix("accumulators", fids.size(), accumulators.size());
  if (!touched.empty() && touched.size() != fids.size()) {
    throw std::invalid_argument("touched must have one element per FID: " + std::to_string(fids.size()) +
                                ", received " + std::to_string(touched.size()));
  }
  check_finite("vectors", vectors);
  check_accumulators(accumulators);
  const std::size_t dim = options_.dim;
  const Lock lock(mutex_);
  for (std::size_t i = 0; i < fids.size(); ++i) {
    const std::uint32_t row =
        upsert(fids[i], slots[i], vectors.data() + i * dim, !touched.empty() && touched[i] != 0);
    if (accumulators.empty()) {
      std::fill_n(rows_.accumulator(row), dim, options_.initial_accumulator);
    } else {
      std::memcpy(rows_.accumulator(row), accumulators.data() + i * dim, dim * sizeof(float));
    }
  }
}

}  // namespace freshet
