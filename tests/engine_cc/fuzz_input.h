#pragma once

// What the bytes of a fuzz input stand for: options, FIDs, batches, vectors.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "freshet/mix.h"
#include "freshet/table.h"

namespace freshet::testing {

#define AGREE(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      std::fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                 \
    }                                                                               \
  } while (false)

class FuzzInput {
 protected:
  explicit FuzzInput(std::span<const std::uint8_t> bytes) : bytes_(bytes), options_(read_options()) {
    make_fids();
  }

  using Fids = std::vector<std::uint64_t>;
  using Floats = std::vector<float>;
  static constexpr std::uint64_t kSalt = 42;
  static constexpr std::size_t kNumCrowded = 24;

  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t first = bytes_[0];
    bytes_ = bytes_.subspan(1);
    return first;
  }

  TableOptions read_options() {
    constexpr std::uint32_t dims[] = {1, 3, 16, 33};
    constexpr OptimizerKind kinds[] = {OptimizerKind::kSgd, OptimizerKind::kMomentum, OptimizerKind::kAdagrad,
                                       OptimizerKind::kAdam, OptimizerKind::kFtrl};
    constexpr Precision precisions[] = {Precision::kFloat32, Precision::kFloat16, Precision::kInt8};
    const std::uint8_t choice = byte();
    TableOptions options;
    options.dim = dims[choice % 4];
    options.optimizer.kind = kinds[choice / 4 % 5];
    options.digest_precision = precisions[choice / 20 % 3];
    options.seed = choice;
    options.index_salt = kSalt;
    options.rules.set(1, {.admission = AdmissionKind::kMinCount, .min_count = 3});
    options.rules.set(2,
                      {.admission = AdmissionKind::kMinCount, .min_count = 2, .window_s = 10, .ttl_s = 25});
    options.rules.set(3, {.admission = AdmissionKind::kProbability, .probability = 0.5});
    options.rules.set(4, {.ttl_s = 15});
    return options;
  }

  /// FIDs with structure, both ends of the range, and two crowds that share both their buckets, which eight keys fill: of
  /// the first crowd every one has a segment of its own after four splits, the second no split of so small a table tells
  /// apart, so that some of it find no place.
  void make_fids() {
    fids_ = {0, UINT64_MAX};
    for (std::uint64_t fid = 1; fid <= 40; ++fid) fids_.push_back(fid % 2 == 0 ? fid : fid << 52);
    const std::uint64_t salt = mix64(kSalt + kGolden64);
    for (std::uint64_t i = 0; i < kNumCrowded; ++i) {
      const std::uint64_t apart = i < kNumCrowded / 2 ? (i + 1) << 56 : i << 40;
      const std::uint64_t hash = std::uint64_t{15} << 60 | apart | 0x123456789;
      fids_.push_back(unmix64(hash) ^ salt);
    }
  }

  std::uint16_t slot_of(std::uint64_t fid) const { return static_cast<std::uint16_t>(mix64(fid) % 5); }
  /// Up to 11 FIDs, without those for which there may be no place.
  Fids batch() {
    Fids fids(byte() % 12);
    for (std::uint64_t& one : fids) one = fids_[byte() % (fids_.size() - kNumCrowded / 2)];
    return fids;
  }
  Floats matrix(std::size_t num_rows) {
    Floats values(num_rows * options_.dim);
    for (std::size_t i = 0; i < num_rows; ++i) {
      const auto base = static_cast<float>(static_cast<std::int8_t>(byte())) / 16.0F;
      for (std::size_t e = 0; e < options_.dim; ++e) {
        values[i * options_.dim + e] = base + static_cast<float>(e) / 4.0F;
      }
    }
    return values;
  }

  std::span<const std::uint8_t> bytes_;
  const TableOptions options_;
  Fids fids_;
};

}  // namespace freshet::testing
