#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// What goes together with a history: the neighbours of some of its items, scored and summed (engine/retrieval/item_to_item.py).

namespace freshet {

/// The heaviest neighbours of n items. Item i's are the first used[i] of `width` cells from i * width on: `targets` names them, negative for
/// none, and `weights` says how often they came together. `counts` float[n] is how often each item came at all; an item that is not
/// alive is nobody's neighbour.
struct Neighbours {
  std::span<const std::int32_t> targets;
  std::span<const float> weights;
  std::span<const std::int32_t> used;
  std::size_t width;
  std::span<const float> counts;
  std::span<const bool> is_alive;
};

/// Of a history the last `max_sources` entries are sources; one that is `back` entries from the end scores its neighbours
/// weight * to_now * source_decay^back / (source's count * to_now + shrinkage)^(1 - power) / (neighbour's count * to_now + shrinkage)^power.
struct NeighbourRule {
  float to_now;
  float shrinkage;
  float power;
  double source_decay;
  std::size_t max_sources;
};

struct ScoredItem {
  std::int32_t item;
  float score;

  friend bool operator==(const ScoredItem&, const ScoredItem&) = default;
};

/// Every neighbour of the history's sources with the sum of its scores where that is above 0, in no order; none of the history itself.
/// `history` has items, the oldest first, and negative numbers for what is none; of one that comes several times the last counts. Targets
/// that are no items are passed over. O(history * sources + cells); throws std::bad_alloc. Safe beside itself on any number of threads.
std::vector<ScoredItem> neighbour_scores(const Neighbours& neighbours, std::span<const std::int64_t> history,
                                         const NeighbourRule& rule);

/// Of `found`, items renamed: item i is names[i], those below 0 or for which `allowed` (where given) does not hold go; at most `num` of
/// the rest, greatest score first, of equals the lower name.
std::vector<ScoredItem> best_named(std::vector<ScoredItem> found, std::span<const std::int32_t> names,
                                   const std::span<const bool>* allowed, std::size_t num);

}  // namespace freshet
