#include "freshet/neighbour_scores.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace freshet {
namespace {

struct Source {
  std::size_t item;
  float share;
};

/// Zeros for every item, between two calls.
std::vector<float>& totals_of_thread(std::size_t num_items) {
  thread_local std::vector<float> totals;
  if (totals.size() < num_items) totals.resize(num_items, 0.0F);
  return totals;
}

float raised(float count, float power, const NeighbourRule& rule) noexcept {
  const float both = count * rule.to_now + rule.shrinkage;
  return std::max(power == 0.5F ? std::sqrt(both) : std::pow(both, power), FLT_MIN);
}

/// The newest first, each once.
std::vector<Source> sources_of(const Neighbours& neighbours, std::span<const std::int64_t> history,
                               const NeighbourRule& rule) {
  std::vector<Source> sources;
  const std::size_t most = std::min(history.size(), rule.max_sources);
  sources.reserve(most);
  for (std::size_t back = 0; back < most; ++back) {
    const std::int64_t number = history[history.size() - 1 - back];
    if (number < 0) continue;
    const auto item = static_cast<std::size_t>(number);
    if (std::any_of(sources.begin(), sources.end(), [&](const Source& one) { return one.item == item; })) {
      continue;
    }
    const double weight = rule.to_now * std::pow(rule.source_decay, static_cast<double>(back));
    const float count = raised(neighbours.counts[item], 1.0F - rule.power, rule);
    sources.push_back({item, static_cast<float>(weight / static_cast<double>(count))});
  }
  return sources;
}

}  // namespace

std::vector<ScoredItem> neighbour_scores(const Neighbours& neighbours, std::span<const std::int64_t> history,
                                         const NeighbourRule& rule) {
  const std::size_t num_items = neighbours.counts.size();
  const std::vector<Source> sources = sources_of(neighbours, history, rule);
  std::vector<ScoredItem> found;
  // Before anything is added: what throws must leave the totals zero.
  found.reserve(sources.size() * neighbours.width);
  std::vector<float>& totals = totals_of_thread(num_items);
  for (const Source& source : sources) {
    const std::size_t first = source.item * neighbours.width;
    const auto filled = static_cast<std::size_t>(std::max(neighbours.used[source.item], 0));
    const std::size_t end = first + std::min(neighbours.width, filled);
    for (std::size_t cell = first; cell < end; ++cell) {
      const std::int32_t target = neighbours.targets[cell];
      const auto item = static_cast<std::size_t>(target);  // a negative one is beyond all
      if (item >= num_items || !neighbours.is_alive[item]) continue;
      const float score =
          neighbours.weights[cell] * source.share / raised(neighbours.counts[item], rule.power, rule);
      if (!(score > 0.0F)) continue;
      if (totals[item] == 0.0F) found.push_back({target, 0.0F});
      totals[item] += score;
    }
  }
  for (const std::int64_t item : history) {
    if (item >= 0) totals[static_cast<std::size_t>(item)] = 0.0F;
  }
  std::size_t num_kept = 0;
  for (const ScoredItem each : found) {
    float& total = totals[static_cast<std::size_t>(each.item)];
    if (total > 0.0F) found[num_kept++] = {each.item, total};
    total = 0.0F;
  }
  found.resize(num_kept);
  return found;
}

std::vector<ScoredItem> best_named(std::vector<ScoredItem> found, std::span<const std::int32_t> names,
                                   const std::span<const bool>* allowed, std::size_t num) {
  std::size_t num_kept = 0;
  for (const ScoredItem each : found) {
    const auto item = static_cast<std::size_t>(each.item);
    const std::int32_t name = item < names.size() ? names[item] : -1;
    if (name < 0) continue;
    const auto row = static_cast<std::size_t>(name);
    if (allowed != nullptr && (row >= allowed->size() || !(*allowed)[row])) continue;
    found[num_kept++] = {name, each.score};
  }
  found.resize(num_kept);
  const auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(num, num_kept));
  std::partial_sort(found.begin(), end, found.end(), [](const ScoredItem& one, const ScoredItem& other) {
    return one.score != other.score ? one.score > other.score : one.item < other.item;
  });
  found.erase(end, found.end());
  return found;
}

}  // namespace freshet
