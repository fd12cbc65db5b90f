// A batch that was planned ahead is sighted as it would have been without: whatever its table went through in between.

#include <random>

#include "admission_streams.h"
#include "check.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

TableOptions eventful_options() {
  TableOptions options = options_of(4);
  options.max_rows = 700;
  options.rules.set(1, counting(2));
  options.rules.set(2, {.ttl_s = 6});
  return options;
}

struct Step {
  Fids fids;
  Slots slots;
  Times seen_at_s;
};

/// Many batches have FIDs of the one before, some times are of no sighting.
std::vector<Step> stream(std::uint32_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Step> steps(60);
  for (std::uint32_t now_s = 0; now_s < steps.size(); ++now_s) {
    for (std::size_t i = random() % 400; i != 0; --i) {
      const std::uint64_t fid = random() % 900;
      steps[now_s].fids.push_back(fid);
      steps[now_s].slots.push_back(static_cast<std::uint16_t>(fid % 3));
      steps[now_s].seen_at_s.push_back(random() % 7 == 0 ? kNotSeen : now_s);
    }
  }
  return steps;
}

void learn(Table& table, const SightedBatch& batch, std::uint32_t now_s) {
  Floats grads(batch.fids.size() * table.dim());
  for (std::size_t i = 0; i < grads.size(); ++i)
    grads[i] = static_cast<float>(batch.fids[i / table.dim()] % 13) - 6.0F;
  table.apply(batch, grads, 0.1F);
  table.expire(now_s, 300);
  if (now_s % 5 == 0) table.export_delta(100);
}

void test_planning_ahead_changes_nothing() {
  for (const std::uint32_t seed : {1, 2, 3, 4}) {
    const std::vector<Step> steps = stream(seed);
    Table plain(eventful_options());
    Table ahead(eventful_options());
    BatchPlan plans[2];
    ahead.plan(steps[0].fids, plans[0]);
    for (std::uint32_t now_s = 0; now_s < steps.size(); ++now_s) {
      const Step& step = steps[now_s];
      const SightedBatch expected = plain.sight(step.fids, step.slots, step.seen_at_s);
      const SightedBatch found = ahead.sight(plans[now_s % 2], step.slots, step.seen_at_s);
      CHECK(found.fids == expected.fids && found.members == expected.members && found.rows == expected.rows);
      if (now_s + 1 < steps.size()) ahead.plan(steps[now_s + 1].fids, plans[(now_s + 1) % 2]);
      learn(plain, expected, now_s);
      learn(ahead, found, now_s);
      CHECK(ahead.digest() == plain.digest());
    }
    CHECK(picture_of(ahead) == picture_of(plain) && ahead.export_state() == plain.export_state());
    CHECK(ahead.counters().num_over_budget > 0 && ahead.counters().num_expired > 0);
  }
}

void test_planning_is_no_sighting() {
  Table table(eventful_options());
  BatchPlan plan;
  table.plan(Fids{1, 2, 2}, plan);
  CHECK(plan.num_keys() == 3 && plan.groups().size() == 2);
  CHECK(table.size() == 0 && table.counters().num_turned_away == 0 && table.num_touched() == 0);
}

void test_a_plan_of_other_positions_is_refused() {
  Table table(eventful_options());
  BatchPlan plan;
  table.plan(Fids{1, 2, 2}, plan);
  CHECK_THROWS(table.sight(plan, Slots{0, 0}, Times{1}), std::invalid_argument);
  CHECK(table.size() == 0);
}

}  // namespace

int main() {
  test_planning_ahead_changes_nothing();
  test_planning_is_no_sighting();
  test_a_plan_of_other_positions_is_refused();
}
