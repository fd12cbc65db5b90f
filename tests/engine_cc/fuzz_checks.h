#pragma once

// Whether a table that rests is what the model says.

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "freshet/table.h"
#include "fuzz_input.h"
#include "fuzz_model.h"

namespace freshet::testing {

inline void check_row(const Rows& rows, std::size_t i, const Table& table, const ModelRow& row) {
  const std::size_t dim = table.dim();
  const std::size_t num_state = table.num_state_floats();
  AGREE(rows.slots[i] == row.slot && rows.seen_at_s[i] == row.seen_at_s && rows.counts[i] == row.count);
  AGREE((rows.touched[i] != 0) == (row.touched || row.in_flight));
  AGREE(std::equal(row.floats.begin(), row.floats.begin() + static_cast<std::ptrdiff_t>(dim),
                   &rows.vectors[i * dim]));
  AGREE(std::equal(row.floats.begin() + static_cast<std::ptrdiff_t>(dim), row.floats.end(),
                   rows.states.begin() + static_cast<std::ptrdiff_t>(i * num_state)));
}

/// Those that have decayed may have been forgotten.
inline void check_candidates(const Table& table, const TableModel& model, std::uint32_t now_s) {
  const Candidates candidates = table.export_candidates();
  std::size_t num_live = 0;
  for (std::size_t i = 0; i < candidates.fids.size(); ++i) {
    const Candidate& known = model.candidates.at(candidates.fids[i]);
    AGREE(known.count == candidates.counts[i] && known.slot == candidates.slots[i]);
    AGREE(known.since_s == candidates.since_s[i]);
    num_live += model.count_at(known, now_s) != 0 ? 1 : 0;
  }
  for (const auto& entry : model.candidates) num_live -= model.count_at(entry.second, now_s) != 0 ? 1 : 0;
  AGREE(num_live == 0);
}

/// Fails unless the table is the model, at a time before which every candidate was last seen.
inline void check_same(const Table& table, const TableModel& model, std::uint32_t now_s) {
  AGREE(table.size() == model.rows.size() && table.digest() == table.computed_digest());
  std::size_t num_rows = 0;
  for (Rows rows = table.export_rows(0, 7); !rows.fids.empty();
       rows = table.export_rows(rows.next_cursor, 7)) {
    for (std::size_t i = 0; i < rows.fids.size(); ++i, ++num_rows)
      check_row(rows, i, table, model.rows.at(rows.fids[i]));
  }
  AGREE(num_rows == model.rows.size());
  std::set<std::uint64_t> deletes = model.deletes;
  for (const std::uint64_t one : model.in_flight) {
    if (!model.rows.contains(one)) deletes.insert(one);
  }
  AGREE(table.pending_deletes() == std::vector<std::uint64_t>(deletes.begin(), deletes.end()));
  check_candidates(table, model, now_s);
}

}  // namespace freshet::testing
