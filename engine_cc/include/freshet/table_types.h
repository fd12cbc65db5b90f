#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "freshet/admission.h"
#include "freshet/initializer.h"
#include "freshet/optimizer.h"
#include "freshet/row_codec.h"
#include "freshet/slot_rules.h"

namespace freshet {

/// Which rows go first when a table has reached its budget. Between equals the one seen longer ago goes first.
enum class Evict : std::uint8_t { kLeastRecent, kLeastOften };

/// In place of an event time: see Table::sight.
inline constexpr std::uint32_t kNotSeen = UINT32_MAX;

struct TableOptions {
  std::uint32_t dim = 0;   // 1 .. Optimizer::kMaxDim
  std::uint64_t seed = 0;  // of new rows and of probabilistic admission
  InitializerOptions initializer;
  OptimizerOptions optimizer;
  std::uint64_t index_salt =
      0;  // see KeyIndex; which rows a full budget evicts depends on it, nothing else does
  Precision digest_precision = Precision::kFloat32;  // the digest is of vectors as encoded so
  SlotRules rules;
  std::uint64_t max_rows = 0;  // the budget; 0: none
  Evict evict = Evict::kLeastRecent;
  std::size_t max_candidates = std::size_t{1} << 20;  // FIDs that are counted and have no row, >= 16
};

struct ApplyResult {
  std::size_t num_applied = 0;   // positions whose gradient went into a row
  std::size_t num_absent = 0;    // positions whose FID has no row
  std::size_t num_rejected = 0;  // positions whose gradient, or sum of gradients, is not finite
};

/// The current state of FIDs that changed: rows to upsert, FIDs to delete.
struct Delta {
  std::vector<std::uint64_t> fids;
  std::vector<std::uint16_t> slots;
  std::vector<float> vectors;  // [fids.size(), dim]
  std::vector<std::uint64_t> deleted;
};

/// Rows as a checkpoint keeps them.
struct Rows {
  std::uint64_t next_cursor = 0;
  std::vector<std::uint64_t> fids;
  std::vector<std::uint16_t> slots;
  std::vector<std::uint32_t> seen_at_s;
  std::vector<std::uint8_t> counts;  // sightings, at most 127, halved when the budget's clock hand passes
  std::vector<std::uint8_t> touched;
  std::vector<float> vectors;  // [fids.size(), dim]
  std::vector<float> states;   // [fids.size(), num_state_floats]
};

/// What has become of rows and candidates since the table was made or its counters were restored.
struct TableCounters {
  std::uint64_t num_created = 0;
  std::uint64_t num_expired = 0;      // evicted because unseen for longer than their slot's time to live
  std::uint64_t num_over_budget = 0;  // evicted because the table had reached its budget
  std::uint64_t num_erased = 0;       // by `erase`
  std::uint64_t num_turned_away = 0;  // sightings of FIDs that had no row and did not earn one
  std::uint64_t num_candidates = 0;   // now
  std::uint64_t candidate_bytes = 0;  // now
  std::uint64_t num_candidates_dropped = 0;
  std::uint64_t num_candidates_decayed = 0;
};

/// The FIDs of a batch of sightings, each once, with the rows they had then; see Table::sight.
struct SightedBatch {
  std::vector<std::uint64_t> fids;    // [num_unique], in no order of meaning
  std::vector<std::uint32_t> rows;    // [num_unique]; UINT32_MAX: not admitted
  std::vector<std::int32_t> members;  // [batch size]: number of the position's FID in `fids`
  std::vector<std::uint32_t> begin;   // [num shards + 1]
  std::vector<std::uint64_t>
      epochs;  // [num shards]: while a shard's is the same, its rows may be used as they are
};

}  // namespace freshet
