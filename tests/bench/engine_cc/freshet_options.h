#pragma once

#include "freshet/table.h"
#include "rows.h"

namespace bench {

inline constexpr std::uint16_t kSlot = 1;
inline constexpr std::uint32_t kNow = 1'800'000'000;
inline constexpr std::uint64_t kSalt = 0x5A17;

/// Every feature on: sightings are counted against an admission rule, rows are stamped and expire, touched rows are noted,
/// the digest is kept.
inline freshet::TableOptions freshet_options(bool with_state) {
  freshet::TableOptions options;
  options.dim = kDim;
  options.seed = 17;
  options.optimizer.kind = with_state ? freshet::OptimizerKind::kAdagrad : freshet::OptimizerKind::kSgd;
  options.optimizer.initial_accumulator = kInitialAccumulator;
  options.index_salt = kSalt;
  options.rules.set(kSlot,
                    {.admission = freshet::AdmissionKind::kMinCount, .min_count = 1, .ttl_s = 30 * 86'400});
  return options;
}

}  // namespace bench
