#pragma once

#include <cstdint>

#include "batches.h"
#include "contestant.h"
#include "figures.h"

namespace bench {

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

/// A reader of 512 keys at a time alone, beside a writer that upserts 10,000 rows each 100 ms, and beside one that never
/// rests.
void measure_beside(Contestant& table, const Plan& plan, Figures& figures);

// Of Freshet alone.

/// 100,000 touched rows exported, and applied to a float16 serving table that is being read.
void measure_delta(const Plan& plan, Figures& figures);

/// Training steps while a full checkpoint is written to a file by another thread.
void measure_checkpoint(const Plan& plan, Figures& figures);

}  // namespace bench
