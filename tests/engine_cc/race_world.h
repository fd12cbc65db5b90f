#pragma once

// The table, its serving copy and the FIDs that the threads of test_races.cc share.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "freshet/hash_parts.h"
#include "freshet/serving_table.h"
#include "freshet/table.h"
#include "race_rows.h"

namespace freshet::testing {

inline constexpr std::uint64_t kSalt = 0xA11CE;
inline constexpr std::uint32_t kStartS = 1000;
inline constexpr std::size_t kNumPairs = 96;
inline constexpr std::uint64_t kNumLoose = 45'000;  // FIDs that come and go: enough to split segments

struct World {
  Table table;
  ServingTable serving;
  bool has_budget;
  std::atomic<std::uint32_t> now_s = kStartS;
  Fids
      pairs;  // FIDs 2i and 2i+1 share a shard and always change in one call: never of different versions together

  explicit World(std::uint64_t max_rows)
      : table(options(max_rows)),
        serving(kRaceDim, Precision::kFloat32, kSalt + 1),
        has_budget(max_rows != 0) {
    const std::uint64_t salt = mix64(kSalt + kGolden64);
    Fids alone(Table::kNumShards, 0);
    for (std::uint64_t fid = 1; pairs.size() < 2 * kNumPairs; ++fid) {
      std::uint64_t& other = alone[HashParts::shard(mix64(fid ^ salt))];
      if (other == 0) {
        other = fid;
      } else {
        pairs.insert(pairs.end(), {other, fid});
        other = 0;
      }
    }
    assign_pairs(1);
  }

  /// Slot 0: a row at once, for ever. Slot 1: at the second sighting. Slot 2: at once, for 40 s.
  static TableOptions options(std::uint64_t max_rows) {
    TableOptions options;
    options.dim = kRaceDim;
    options.initializer.kind = InitializerKind::kZeros;
    options.optimizer.kind = OptimizerKind::kMomentum;
    options.optimizer.momentum = 0;  // so that w -= g, and the state is the last gradient
    options.index_salt = kSalt;
    options.rules.set(1, {.admission = AdmissionKind::kMinCount, .min_count = 2});
    options.rules.set(2, {.ttl_s = 40});
    options.max_rows = max_rows;
    options.max_candidates = 4096;
    return options;
  }

  void assign_pairs(std::uint32_t version) {
    Floats vectors(pairs.size() * kRaceDim);
    for (std::size_t i = 0; i < pairs.size(); ++i) write_version(pairs[i], version, &vectors[i * kRaceDim]);
    table.assign(pairs, std::vector<std::uint16_t>(pairs.size(), 0), vectors);
  }
};

inline std::uint64_t loose_fid(Draws& draws) { return (std::uint64_t{1} << 40) + draws.below(kNumLoose); }
inline std::uint64_t stranger(Draws& draws) { return (std::uint64_t{1} << 50) + draws.below(1 << 20); }

inline Fids loose_fids(Draws& draws, std::size_t num) {
  Fids fids(num);
  for (std::uint64_t& fid : fids) fid = loose_fid(draws);
  return fids;
}

inline std::vector<std::uint16_t> slots_of(const Fids& fids) {
  std::vector<std::uint16_t> slots;
  for (const std::uint64_t fid : fids) slots.push_back(static_cast<std::uint16_t>(fid % 3));
  return slots;
}

inline Floats gradients_of(std::span<const std::uint64_t> fids) {
  Floats gradients(fids.size() * kRaceDim);
  for (std::size_t i = 0; i < fids.size(); ++i) write_gradient(fids[i], &gradients[i * kRaceDim]);
  return gradients;
}

inline std::uint64_t digest_of_row(std::uint64_t fid, const float* vector) {
  return row_digest(fid, reinterpret_cast<const std::byte*>(vector), kRaceDim * sizeof(float));
}

/// All rows of a table that rests, each FID once.
inline Fids rows_at_rest(const Table& table) {
  Fids fids;
  std::uint64_t digest = 0;
  Rows rows;
  do {
    rows = table.export_rows(rows.next_cursor, 4000);
    for (std::size_t i = 0; i < rows.fids.size(); ++i) {
      check_whole(rows.fids[i], &rows.vectors[i * kRaceDim]);
      digest += digest_of_row(rows.fids[i], &rows.vectors[i * kRaceDim]);
    }
    fids.insert(fids.end(), rows.fids.begin(), rows.fids.end());
  } while (!rows.fids.empty());
  CHECK(digest == table.digest());
  std::sort(fids.begin(), fids.end());
  CHECK(std::adjacent_find(fids.begin(), fids.end()) == fids.end());
  return fids;
}

}  // namespace freshet::testing
