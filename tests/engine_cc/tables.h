#pragma once

#include <cstdint>
#include <vector>

#include "freshet/table.h"

namespace freshet::testing {

using Fids = std::vector<std::uint64_t>;
using Floats = std::vector<float>;

/// Adagrad from 1.0 makes hand-worked values round.
inline TableOptions options_of(std::uint32_t dim, std::uint64_t salt = 99) {
  return {.dim = dim, .seed = 17, .init_scale = 0.01F, .initial_accumulator = 1.0F, .index_salt = salt};
}

inline std::vector<std::uint16_t> slots_for(const Fids& fids, std::uint16_t slot = 1) {
  return std::vector<std::uint16_t>(fids.size(), slot);
}

inline Floats lookup(const Table& table, const Fids& fids) {
  Floats out(fids.size() * table.dim(), -1.0F);
  table.lookup(fids, out);
  return out;
}

inline Floats create(Table& table, const Fids& fids) {
  Floats out(fids.size() * table.dim(), -1.0F);
  table.lookup_or_create(fids, slots_for(fids), out);
  return out;
}

inline void apply(Table& table, const Delta& delta) {
  table.apply_delta(delta.fids, delta.slots, delta.vectors, delta.deleted);
}

}  // namespace freshet::testing
