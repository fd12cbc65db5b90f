#pragma once

#include <cstdint>

#include "contestant.h"
#include "figures.h"

namespace bench {

inline constexpr std::size_t kLargeBatch = 65'536;
inline constexpr std::size_t kSmallBatch = 512;
inline constexpr std::size_t kSliceKeys = 8 * kLargeBatch;

struct Plan {
  std::uint32_t num_rows = 0;
  bool with_state = false;
  std::size_t num_rounds = 0;
  bool every_setting = false;  // small batches, Zipf and two threads too
};

/// Grows from empty in batches of 65,536 on memory never touched. Resident bytes before, after and at most, by row.
void measure_memory(const Entry& entry, const Plan& plan, Figures& figures);

/// Grows from empty in batches of 65,536 on warm pages: keys a second, and the longest batch. Answers the table.
std::unique_ptr<Contestant> measure_growth(const Entry& entry, const Plan& plan, Figures& figures);

/// Lookups beside a bare gather, in turns; checks checksums first.
void measure_lookups(const Contestant& table, const Plan& plan, Figures& figures);

/// Sparse Adagrad beside a bare gather-and-write, in turns; checks a step against double precision first.
void measure_updates(Contestant& table, const Plan& plan, Figures& figures);

}  // namespace bench
