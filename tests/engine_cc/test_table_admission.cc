// A FID has its row on exactly its N-th sighting; until then it is zeros, is not learned, and costs a bounded memory.

#include <unordered_map>

#include "admission_streams.h"
#include "check.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

TableOptions counting_options(std::uint32_t min_count, std::uint32_t window_s = 0) {
  TableOptions options = options_of(2);
  options.rules.set(1, counting(min_count, window_s));
  return options;
}

bool is_zeros(const Floats& values) { return values == Floats(values.size(), 0.0F); }

void test_the_row_comes_with_exactly_the_nth_sighting() {
  for (const std::uint32_t min_count : {1, 2, 16}) {
    Table table(counting_options(min_count));
    for (std::uint32_t sighting = 1; sighting <= min_count + 1; ++sighting) {
      const bool has_row = sighting >= min_count;
      CHECK(is_zeros(create(table, {7}, sighting)) != has_row);
      CHECK(is_present(table, 7) == has_row && table.size() == (has_row ? 1 : 0));
      CHECK(table.counters().num_candidates == (has_row ? 0 : 1));
      CHECK(table.counters().num_turned_away == std::min(sighting, min_count - 1));
    }
    CHECK(picture_of(table).at(7).count == 2);  // the sighting that earned the row, and one more
  }
}

void test_a_threshold_of_a_hundred_thousand() {
  constexpr std::uint32_t kMinCount = 100'000;
  Table table(counting_options(kMinCount));
  const Fids batch(999, 7);
  std::uint32_t num_sighted = 0;
  for (; num_sighted + 999 < kMinCount; num_sighted += 999) create(table, batch);
  create(table, Fids(kMinCount - 1 - num_sighted, 7));
  CHECK(table.size() == 0 && table.export_candidates().counts.at(0) == kMinCount - 1);
  CHECK(!is_zeros(create(table, {7})) && table.size() == 1);
}

void test_duplicates_within_a_batch_each_count() {
  Table table(counting_options(5));
  CHECK(is_zeros(create(table, {7, 8, 7, 7, 9, 7})));  // 4 of 7
  CHECK(table.size() == 0);
  const Floats out = create(table, {8, 7, 8, 8, 8});  // the fifth of both
  CHECK(table.size() == 2 && !is_present(table, 9));
  CHECK(out[0] == out[4] && out[0] != 0 && out[2] != out[0] && out[2] != 0);
  CHECK(table.export_candidates().fids == Fids{9});
}

void test_every_fid_of_a_random_stream_is_admitted_when_its_count_is_full() {
  constexpr std::uint32_t kMinCount = 3;
  Table table(counting_options(kMinCount));
  std::unordered_map<std::uint64_t, std::uint32_t> sightings;
  std::uint64_t state = 5;
  for (int round = 0; round < 200; ++round) {
    Fids fids;
    for (int i = 0; i < 300; ++i) fids.push_back(mix64(state += kGolden64) % 20'000);
    const bool learns = round % 2 == 0;
    if (learns) {
      const SightedBatch batch = table.sight(fids, slots_for(fids), Times{0});
      for (const std::uint64_t fid : fids) ++sightings[fid];
      for (std::size_t i = 0; i < batch.fids.size(); ++i) {
        CHECK((batch.rows[i] != UINT32_MAX) == (sightings.at(batch.fids[i]) >= kMinCount));
      }
    } else {
      const Floats out = create(table, fids);
      for (const std::uint64_t fid : fids) ++sightings[fid];
      for (std::size_t i = 0; i < fids.size(); ++i) {
        CHECK((out[2 * i] != 0) == (sightings.at(fids[i]) >= kMinCount));
      }
    }
  }
  std::size_t num_admitted = 0;
  for (const auto& [fid, num] : sightings) num_admitted += num >= kMinCount ? 1 : 0;
  CHECK(table.size() == num_admitted);
  CHECK(table.counters().num_candidates == sightings.size() - num_admitted);
  CHECK(table.counters().num_candidates_dropped == 0);
}

void test_without_a_row_nothing_is_learned() {
  Table table(counting_options(3));
  const SightedBatch batch = table.sight(Fids{7, 8, 7}, Slots{1, 0, 1}, Times{0});  // slot 0 admits always
  Floats gathered(4, -1.0F);
  table.gather(batch, gathered);
  const std::size_t of_7 = batch.fids[0] == 7 ? 0 : 1;
  CHECK(gathered[2 * of_7] == 0 && gathered[2 * of_7 + 1] == 0 && gathered[2 * (1 - of_7)] != 0);
  const ApplyResult result = table.apply(batch, Floats(4, 1.0F), 0.1F);
  CHECK(result.num_applied == 1 && result.num_absent == 1);
  CHECK(table.apply_gradients(Fids{7, 7, 8}, Floats(6, 1.0F), 0.1F).num_absent == 2);
  CHECK((sorted(table.export_delta(10).fids) == Fids{8}));
  CHECK(table.export_candidates().counts == std::vector<std::uint32_t>{2});  // gradients are not sightings
}

void test_lookups_do_not_count() {
  Table table(counting_options(2));
  create(table, {7});
  for (int i = 0; i < 10; ++i) CHECK(is_zeros(lookup(table, {7})));
  CHECK(table.size() == 0 && table.export_candidates().counts == std::vector<std::uint32_t>{1});
}

void test_counts_survive_a_checkpoint() {
  Table table(counting_options(4));
  create(table, {1, 2, 2, 3, 3, 3, 4, 4, 4, 4});
  Table restored(counting_options(4));
  restored.import_rows(rows_of(picture_of(table)));
  restored.import_candidates(table.export_candidates());
  restored.import_state(table.export_state());
  CHECK(restored.size() == 1 && restored.counters().num_candidates == 3);
  CHECK(restored.counters().num_turned_away == 6);
  create(restored, {3});
  CHECK(is_present(restored, 3) && !is_present(restored, 2));
  create(restored, {2});
  CHECK(!is_present(restored, 2));
  create(restored, {2, 1});
  CHECK(is_present(restored, 2) && !is_present(restored, 1));
}

void test_a_row_that_comes_another_way_is_no_candidate() {
  Table table(counting_options(5));
  create(table, {7, 7});
  table.assign(Fids{7}, Slots{1}, Floats{1, 2});
  CHECK(table.counters().num_candidates == 0);
  table.erase(Fids{7});
  create(table, {7, 7, 7});  // counted from the beginning
  CHECK(!is_present(table, 7));
  create(table, {7, 7});
  CHECK(is_present(table, 7));
}

void test_counts_decay_and_are_swept_with_expiry() {
  Table table(counting_options(2, 10));
  create(table, {7}, 100);
  create(table, {7}, 110);  // the first has halved to nothing
  CHECK(!is_present(table, 7));
  create(table, {7}, 119);
  CHECK(is_present(table, 7));
  create(table, mixed_fids(0, 1000), 200);
  CHECK(table.counters().num_candidates == 1000);
  table.expire(209, SIZE_MAX);
  CHECK(table.counters().num_candidates == 1000);
  for (int i = 0; i < 3; ++i) table.expire(210, SIZE_MAX);
  CHECK(table.counters().num_candidates == 0);
  CHECK(table.counters().num_candidates_decayed == 1001);
}

void test_candidates_are_bounded_and_what_was_dropped_is_told() {
  TableOptions options = counting_options(100);
  options.max_candidates = 1600;
  Table table(options);
  create(table, mixed_fids(0, 20'000));
  const TableCounters counters = table.counters();
  CHECK(counters.num_candidates <= 1600 && counters.num_candidates > 1500);
  CHECK(counters.num_candidates_dropped == 20'000 - counters.num_candidates);
  CHECK(counters.candidate_bytes > 0 && counters.candidate_bytes < 400'000);
}

void test_probability_admits_its_share_and_the_same_on_a_replay() {
  TableOptions options = options_of(1);
  options.rules.set(1, drawing(0.25));
  Table one(options);
  options.index_salt = 12345;
  Table other(options);
  for (std::uint64_t i = 0; i < 20'000; i += 1000) {
    create(one, mixed_fids(i, 1000));
    create(other, mixed_fids(i, 1000));
  }
  CHECK(one.size() > 4700 && one.size() < 5300);
  CHECK(one.digest() == other.digest());
}

}  // namespace

int main() {
  test_the_row_comes_with_exactly_the_nth_sighting();
  test_a_threshold_of_a_hundred_thousand();
  test_duplicates_within_a_batch_each_count();
  test_every_fid_of_a_random_stream_is_admitted_when_its_count_is_full();
  test_without_a_row_nothing_is_learned();
  test_lookups_do_not_count();
  test_counts_survive_a_checkpoint();
  test_a_row_that_comes_another_way_is_no_candidate();
  test_counts_decay_and_are_swept_with_expiry();
  test_candidates_are_bounded_and_what_was_dropped_is_told();
  test_probability_admits_its_share_and_the_same_on_a_replay();
}
