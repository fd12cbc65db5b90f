#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "check.h"
#include "tables.h"

namespace freshet::testing {

/// Everything that a table knows of one row.
struct RowPicture {
  std::uint16_t slot = 0;
  std::uint32_t seen_at_s = 0;
  std::uint8_t count = 0;
  std::uint8_t touched = 0;
  Floats vector;
  Floats state;

  friend bool operator==(const RowPicture&, const RowPicture&) = default;
};
using Picture = std::map<std::uint64_t, RowPicture>;

/// Adds rows; those that are there already are replaced, which only an incremental checkpoint may do.
inline void add_rows(Picture& picture, const Rows& rows, std::size_t dim, std::size_t num_state,
                     bool may_replace = false) {
  for (std::size_t i = 0; i < rows.fids.size(); ++i) {
    RowPicture row{rows.slots[i], rows.seen_at_s[i], rows.counts[i], rows.touched[i], {}, {}};
    const float* const vector = rows.vectors.data() + i * dim;
    const float* const state = rows.states.data() + i * num_state;
    row.vector.assign(vector, vector + dim);
    row.state.assign(state, state + num_state);
    const bool is_new = picture.insert_or_assign(rows.fids[i], std::move(row)).second;
    CHECK(is_new || may_replace);
  }
}

inline Picture picture_of(const Table& table) {
  Picture picture;
  Rows rows;
  do {
    rows = table.export_rows(rows.next_cursor, 5000);
    add_rows(picture, rows, table.dim(), table.num_state_floats());
  } while (!rows.fids.empty());
  CHECK(picture.size() == table.size());
  return picture;
}

inline Rows rows_of(const Picture& picture) {
  Rows rows;
  for (const auto& [fid, row] : picture) {
    rows.fids.push_back(fid);
    rows.slots.push_back(row.slot);
    rows.seen_at_s.push_back(row.seen_at_s);
    rows.counts.push_back(row.count);
    rows.touched.push_back(row.touched);
    rows.vectors.insert(rows.vectors.end(), row.vector.begin(), row.vector.end());
    rows.states.insert(rows.states.end(), row.state.begin(), row.state.end());
  }
  return rows;
}

/// Without the flag that depends on when deltas are acknowledged.
inline Picture untouched(Picture picture) {
  for (auto& [fid, row] : picture) row.touched = 0;
  return picture;
}

}  // namespace freshet::testing
