#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "freshet/serving_table.h"
#include "freshet/table.h"

namespace freshet::testing {

using Fids = std::vector<std::uint64_t>;
using Floats = std::vector<float>;
using Slots = std::vector<std::uint16_t>;
using Times = std::vector<std::uint32_t>;

/// Adagrad from 1.0 makes hand-worked values round.
inline TableOptions options_of(std::uint32_t dim, std::uint64_t salt = 99) {
  TableOptions options;
  options.dim = dim;
  options.seed = 17;
  options.optimizer.initial_accumulator = 1.0F;
  options.index_salt = salt;
  return options;
}

inline Slots slots_for(const Fids& fids, std::uint16_t slot = 1) { return Slots(fids.size(), slot); }

/// `num` FIDs without structure; those of different `first` ranges differ.
inline Fids mixed_fids(std::uint64_t first, std::uint64_t num) {
  Fids fids;
  fids.reserve(num);
  for (std::uint64_t i = first; i < first + num; ++i) fids.push_back(mix64(i));
  return fids;
}

inline Fids sorted(Fids fids) {
  std::sort(fids.begin(), fids.end());
  return fids;
}

inline Floats lookup(const Table& table, const Fids& fids) {
  Floats out(fids.size() * table.dim(), -1.0F);
  table.lookup(fids, out);
  return out;
}

inline Floats lookup(const ServingTable& table, const Fids& fids) {
  Floats out(fids.size() * table.dim(), -1.0F);
  table.lookup(fids, out);
  return out;
}

inline std::size_t num_present(const Table& table, const Fids& fids) {
  std::size_t num = 0;
  for (const std::uint64_t fid : fids) {
    bool present = false;
    table.contains(Fids{fid}, std::span<bool>(&present, 1));
    num += present ? 1 : 0;
  }
  return num;
}

inline bool is_present(const Table& table, std::uint64_t fid) { return num_present(table, {fid}) == 1; }

inline Floats create(Table& table, const Fids& fids, std::uint32_t now_s = 0, std::uint16_t slot = 1) {
  Floats out(fids.size() * table.dim(), -1.0F);
  table.lookup_or_create(fids, slots_for(fids, slot), Times{now_s}, out);
  return out;
}

inline void apply(ServingTable& replica, const Delta& delta) {
  replica.apply_delta(delta.fids, delta.vectors, delta.deleted);
}

}  // namespace freshet::testing
