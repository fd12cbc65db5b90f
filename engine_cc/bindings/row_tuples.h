#pragma once

#include <cstdint>
#include <utility>

#include "array_arguments.h"
#include "freshet/admission.h"
#include "freshet/table_types.h"

namespace freshet::python {

inline py::object as_bools(std::vector<std::uint8_t>&& flags) {
  return take(std::move(flags)).attr("view")(py::dtype::of<bool>());
}

/// (fids, slots, seen_at_s, counts, vectors, states, touched); nothing is copied.
inline py::tuple row_tuple(Rows&& rows, std::size_t dim, std::size_t num_state_floats) {
  const auto num_rows = static_cast<py::ssize_t>(rows.fids.size());
  const auto width = static_cast<py::ssize_t>(dim);
  const auto state_width = static_cast<py::ssize_t>(num_state_floats);
  return py::make_tuple(
      take(std::move(rows.fids)), take(std::move(rows.slots)), take(std::move(rows.seen_at_s)),
      take(std::move(rows.counts)), take(std::move(rows.vectors), {num_rows, width}),
      take(std::move(rows.states), {num_rows, state_width}), as_bools(std::move(rows.touched)));
}

/// (fids, slots, counts, since_s); nothing is copied.
inline py::tuple candidate_tuple(Candidates&& candidates) {
  return py::make_tuple(take(std::move(candidates.fids)), take(std::move(candidates.slots)),
                        take(std::move(candidates.counts)), take(std::move(candidates.since_s)));
}

}  // namespace freshet::python
