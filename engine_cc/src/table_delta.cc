#include <algorithm>
#include <cstring>

#include "freshet/table.h"

namespace freshet {

std::size_t Table::num_touched() const {
  const SharedLock lock(mutex_);
  return touched_.num_rows() + touched_.num_deleted();
}

Delta Table::export_delta(std::size_t max_rows) {
  const std::size_t dim = options_.dim;
  const Lock lock(mutex_);
  const std::size_t num_deleted = std::min(max_rows, touched_.num_deleted());
  const std::size_t num_rows = std::min(max_rows - num_deleted, touched_.num_rows());
  Delta delta;
  delta.fids.resize(num_rows);
  delta.slots.resize(num_rows);
  delta.vectors.resize(num_rows * dim);
  delta.deleted.resize(num_deleted);
  touched_.reserve_in_flight(num_rows + num_deleted);
  for (std::uint64_t& fid : delta.deleted) fid = touched_.take_deleted();
  for (std::size_t i = 0; i < num_rows; ++i) {
    const std::uint32_t row = touched_.take_row();
    delta.fids[i] = rows_.fid(row);
    delta.slots[i] = rows_.slot(row);
    std::memcpy(delta.vectors.data() + i * dim, rows_.vector(row), dim * sizeof(float));
  }
  return delta;
}

void Table::acknowledge_delta() {
  const Lock lock(mutex_);
  for (const std::uint64_t fid : touched_.in_flight()) {
    const std::uint32_t row = find(fid);
    if (row != KeyIndex::kAbsent) rows_.state(row) &= static_cast<std::uint8_t>(~kInFlight);
  }
  touched_.clear_in_flight();
}

void Table::restore_delta() {
  const Lock lock(mutex_);
  // Until the last one is back all stay in flight: an allocation that fails loses none of them.
  for (const std::uint64_t fid : touched_.in_flight()) {
    const std::uint32_t row = find(fid);
    if (row == KeyIndex::kAbsent) {
      touched_.add_deleted(fid);
    } else {
      touched_.touch(row);
      rows_.state(row) &= static_cast<std::uint8_t>(~kInFlight);
    }
  }
  touched_.clear_in_flight();
}

void Table::forget_touched() {
  const Lock lock(mutex_);
  for (const std::uint64_t fid : touched_.in_flight()) {
    const std::uint32_t row = find(fid);
    if (row != KeyIndex::kAbsent) rows_.state(row) &= static_cast<std::uint8_t>(~kInFlight);
  }
  touched_.clear();
}

void Table::apply_delta(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                        std::span<const float> vectors, std::span<const std::uint64_t> deleted) {
  check_batch(fids.size());
  check_batch(deleted.size());
  check_slots(fids.size(), slots.size());
  check_matrix("vectors", fids.size(), vectors.size());
  check_finite("vectors", vectors);
  const Lock lock(mutex_);
  for (const std::uint64_t fid : deleted) {
    const std::uint32_t row = find(fid);
    if (row == KeyIndex::kAbsent) continue;
    if ((rows_.state(row) & kTouched) != 0) touched_.add_deleted(fid);
    touched_.forget_row(row);
    index_.erase(fid, index_.hash(fid));
    rows_.release(row);
  }
  for (std::size_t i = 0; i < fids.size(); ++i)
    upsert(fids[i], slots[i], vectors.data() + i * options_.dim, false);
}

std::vector<std::uint64_t> Table::pending_deletes() const {
  const SharedLock lock(mutex_);
  std::vector<std::uint64_t> fids(touched_.deleted().begin(), touched_.deleted().end());
  for (const std::uint64_t fid : touched_.in_flight()) {
    if (find(fid) == KeyIndex::kAbsent) fids.push_back(fid);
  }
  std::sort(fids.begin(), fids.end());
  fids.erase(std::unique(fids.begin(), fids.end()), fids.end());
  return fids;
}

void Table::import_deletes(std::span<const std::uint64_t> fids) {
  check_batch(fids.size());
  const Lock lock(mutex_);
  for (const std::uint64_t fid : fids) {
    if (find(fid) == KeyIndex::kAbsent) touched_.add_deleted(fid);
  }
}

}  // namespace freshet
