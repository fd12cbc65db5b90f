// What goes best with a history is what a plain sum over all pairs says, and what is answered is named, allowed and in order.

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "check.h"
#include "freshet/neighbour_scores.h"

using namespace freshet;

namespace {

constexpr std::size_t kWidth = 6;

struct World {
  std::size_t num;
  std::vector<std::int32_t> targets;
  std::vector<float> weights;
  std::vector<std::int32_t> used;
  std::vector<float> counts;
  std::unique_ptr<bool[]> is_alive;

  World(std::size_t num_items, std::uint64_t seed) : num(num_items), is_alive(new bool[num_items]) {
    std::mt19937_64 random(seed);
    for (std::size_t item = 0; item < num; ++item) {
      used.push_back(static_cast<std::int32_t>(random() % (kWidth + 1)));
      counts.push_back(static_cast<float>(random() % 50));
      is_alive[item] = random() % 6 != 0;
      for (std::size_t cell = 0; cell < kWidth; ++cell) {
        // some name nobody
        targets.push_back(static_cast<std::int32_t>(random() % (num + 3)) - 2);
        weights.push_back(static_cast<float>(random() % 9));
      }
    }
  }

  Neighbours view() const { return {targets, weights, used, kWidth, counts, {is_alive.get(), num}}; }
};

std::map<std::int32_t, double> summed(const World& world, const std::vector<std::int64_t>& history,
                                      const NeighbourRule& rule) {
  std::map<std::int32_t, double> scores;
  std::vector<std::int64_t> known;
  for (std::size_t back = 0; back < history.size(); ++back) {
    const std::int64_t source = history[history.size() - 1 - back];
    if (source < 0 || std::find(known.begin(), known.end(), source) != known.end()) continue;
    known.push_back(source);
    if (back >= rule.max_sources) continue;
    const auto item = static_cast<std::size_t>(source);
    const auto count = [&](std::size_t of) {
      return double{world.counts[of]} * double{rule.to_now} + double{rule.shrinkage};
    };
    for (std::size_t cell = 0; cell < static_cast<std::size_t>(world.used[item]); ++cell) {
      const std::int32_t target = world.targets[item * kWidth + cell];
      if (target < 0 || target >= static_cast<std::int32_t>(world.num)) continue;
      const auto other = static_cast<std::size_t>(target);
      if (!world.is_alive[other]) continue;
      scores[target] += double{world.weights[item * kWidth + cell]} * double{rule.to_now} *
                        std::pow(rule.source_decay, static_cast<double>(back)) /
                        std::pow(count(item), 1.0 - double{rule.power}) /
                        std::pow(count(other), double{rule.power});
    }
  }
  for (const std::int64_t item : known) scores.erase(static_cast<std::int32_t>(item));
  std::erase_if(scores, [](const auto& one) { return one.second <= 0.0; });
  return scores;
}

void check_sums() {
  std::mt19937_64 random(3);
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const World world(5 + 7 * seed, seed);
    const NeighbourRule rule{0.7F, 2.0F, seed % 2 == 0 ? 0.5F : 0.3F, 0.8, 4};
    std::vector<std::int64_t> history(seed % 9);
    for (auto& item : history) item = static_cast<std::int64_t>(random() % (world.num + 1)) - 1;
    const auto expected = summed(world, history, rule);
    const auto found = neighbour_scores(world.view(), history, rule);
    CHECK(found.size() == expected.size());
    for (const ScoredItem& each : found) {
      const double wanted = expected.at(each.item);
      CHECK(std::fabs(static_cast<double>(each.score) - wanted) <= 1e-5 * wanted);
    }
    // nothing of a call is left for the next
    const auto again = neighbour_scores(world.view(), history, rule);
    CHECK(again == found);
  }
}

void check_names() {
  const std::vector<ScoredItem> found = {{0, 1.0F}, {1, 3.0F}, {2, 2.0F}, {3, 3.0F}, {4, 9.0F}, {5, 8.0F}};
  const std::vector<std::int32_t> names = {7, 6, 5, 4, -1};  // of the last item nothing is known
  using Scored = std::vector<ScoredItem>;
  CHECK((best_named(found, names, nullptr, 10) == Scored{{4, 3.0F}, {6, 3.0F}, {5, 2.0F}, {7, 1.0F}}));
  CHECK((best_named(found, names, nullptr, 2) == Scored{{4, 3.0F}, {6, 3.0F}}));
  CHECK(best_named(found, names, nullptr, 0).empty());
  const bool held[] = {true, true, true, true, false, true, true};
  const std::span<const bool> allowed(held);
  CHECK((best_named(found, names, &allowed, 10) == Scored{{6, 3.0F}, {5, 2.0F}}));
}

}  // namespace

int main() {
  check_sums();
  check_names();
  return 0;
}
