#include "freshet/table.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "freshet/mix.h"
#include "freshet/xxh64.h"

namespace freshet {
namespace {

const TableOptions& checked(const TableOptions& options) {
  if (options.dim < 1 || options.dim > Table::kMaxDim) {
    throw std::invalid_argument("dim must be 1 to " + std::to_string(Table::kMaxDim) + ", received " +
                                std::to_string(options.dim));
  }
  if (!std::isfinite(options.init_scale) || options.init_scale < 0) {
    throw std::invalid_argument("init_scale must be finite and not negative, received " +
                                std::to_string(options.init_scale));
  }
  if (!std::isfinite(options.initial_accumulator) || options.initial_accumulator <= 0) {
    throw std::invalid_argument("initial_accumulator must be finite and positive, received " +
                                std::to_string(options.initial_accumulator));
  }
  return options;
}

}  // namespace

Table::Table(const TableOptions& options)
    : options_(checked(options)), index_(options.index_salt), rows_(options.dim), touched_(rows_) {}

void Table::check_batch(std::size_t num_fids) const {
  if (num_fids > kMaxBatch) {
    throw std::invalid_argument("a batch has at most " + std::to_string(kMaxBatch) + " FIDs, received " +
                                std::to_string(num_fids));
  }
}

void Table::check_matrix(const char* name, std::size_t num_fids, std::size_t num_values) const {
  if (num_values != num_fids * options_.dim) {
    throw std::invalid_argument(std::string(name) + " must have " + std::to_string(num_fids) + " rows of " +
                                std::to_string(options_.dim) + " floats, received " +
                                std::to_string(num_values) + " floats in all");
  }
}

void Table::check_slots(std::size_t num_fids, std::size_t num_slots) {
  if (num_slots != num_fids) {
    throw std::invalid_argument("slots must have one element per FID: " + std::to_string(num_fids) +
                                ", received " + std::to_string(num_slots));
  }
}

void Table::check_finite(const char* name, std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw std::invalid_argument(std::string(name) + " must be finite, received " +
                                  std::to_string(values[i]) + " at element " + std::to_string(i));
    }
  }
}

/// Each value is a function of (seed, FID, index) alone: the 24 top bits of a splitmix64 sequence, at the
/// middle of their interval so that the distribution is symmetric and exact in a float.
void Table::initialise(std::uint32_t row, std::uint64_t fid) noexcept {
  float* const vector = rows_.vector(row);
  const float step = options_.init_scale * 0x1p-24F;
  std::uint64_t state = mix64(mix64(options_.seed + kGolden64) ^ fid);
  for (std::uint32_t i = 0; i < options_.dim; ++i) {
    state += kGolden64;
    const auto bits = static_cast<std::int32_t>(mix64(state) >> 40);
    vector[i] = static_cast<float>(2 * bits + 1 - (1 << 24)) * step;
  }
  std::fill_n(rows_.accumulator(row), options_.dim, options_.initial_accumulator);
}

std::uint32_t Table::create(std::uint64_t fid, std::uint16_t slot, bool touched) {
  const std::uint32_t row = rows_.allocate(fid, slot);
  try {
    // A FID whose delete is pending must travel again, as a row, whoever created it.
    if (touched || touched_.is_deleted(fid)) touched_.touch(row);
    index_.insert(fid, index_.hash(fid), row);
  } catch (...) {
    touched_.forget_row(row);
    rows_.release(row);
    throw;
  }
  initialise(row, fid);
  return row;
}

std::uint32_t Table::upsert(std::uint64_t fid, std::uint16_t slot, const float* vector, bool touched) {
  std::uint32_t row = find(fid);
  if (row == KeyIndex::kAbsent) {
    row = create(fid, slot, touched);
  } else if (touched) {
    touched_.touch(row);
  }
  rows_.set_slot(row, slot);
  std::memcpy(rows_.vector(row), vector, options_.dim * sizeof(float));
  return row;
}

void Table::lookup(std::span<const std::uint64_t> fids, std::span<float> out) const {
  check_batch(fids.size());
  check_matrix("out", fids.size(), out.size());
  const std::size_t dim = options_.dim;
  const SharedLock lock(mutex_);
  for_each_row(fids, false, [&](std::size_t position, std::uint32_t row) {
    float* const target = out.data() + position * dim;
    if (row == KeyIndex::kAbsent) {
      std::fill_n(target, dim, 0.0F);
    } else {
      std::memcpy(target, rows_.vector(row), dim * sizeof(float));
    }
  });
}

void Table::lookup_or_create(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                             std::span<float> out) {
  check_batch(fids.size());
  check_slots(fids.size(), slots.size());
  check_matrix("out", fids.size(), out.size());
  const std::size_t dim = options_.dim;
  const Lock lock(mutex_);
  for_each_row(fids, false, [&](std::size_t position, std::uint32_t row) {
    if (row == KeyIndex::kAbsent) row = find(fids[position]);  // an earlier duplicate may have created it
    if (row == KeyIndex::kAbsent) row = create(fids[position], slots[position], true);
    std::memcpy(out.data() + position * dim, rows_.vector(row), dim * sizeof(float));
  });
}

void Table::contains(std::span<const std::uint64_t> fids, std::span<bool> out) const {
  check_batch(fids.size());
  if (out.size() != fids.size()) throw std::invalid_argument("out must have one element per FID");
  const SharedLock lock(mutex_);
  for (std::size_t i = 0; i < fids.size(); ++i) out[i] = find(fids[i]) != KeyIndex::kAbsent;
}

void Table::assign(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                   std::span<const float> vectors) {
  check_batch(fids.size());
  check_slots(fids.size(), slots.size());
  check_matrix("vectors", fids.size(), vectors.size());
  check_finite("vectors", vectors);
  const Lock lock(mutex_);
  for (std::size_t i = 0; i < fids.size(); ++i) {
    upsert(fids[i], slots[i], vectors.data() + i * options_.dim, true);
  }
}

std::size_t Table::erase(std::span<const std::uint64_t> fids) {
  check_batch(fids.size());
  const Lock lock(mutex_);
  std::size_t num_erased = 0;
  for (const std::uint64_t fid : fids) {
    const std::uint32_t row = find(fid);
    if (row == KeyIndex::kAbsent) continue;
    touched_.add_deleted(fid);
    touched_.forget_row(row);
    index_.erase(fid, index_.hash(fid));
    rows_.release(row);
    ++num_erased;
  }
  return num_erased;
}

std::size_t Table::size() const {
  const SharedLock lock(mutex_);
  return index_.size();
}

std::size_t Table::memory_bytes() const {
  const SharedLock lock(mutex_);
  return sizeof *this + index_.memory_bytes() + rows_.memory_bytes() + touched_.memory_bytes();
}

std::uint64_t Table::digest() const {
  const SharedLock lock(mutex_);
  std::uint64_t sum = 0;
  for (std::uint32_t row = 0; row < rows_.end_row(); ++row) {
    if ((rows_.state(row) & kLive) == 0) continue;
    sum += xxh64(rows_.vector(row), options_.dim * sizeof(float), rows_.fid(row));
  }
  return sum;
}

}  // namespace freshet
