// A table with a budget keeps to it: what was seen least recently, or least often, goes for what is new.

#include <algorithm>

#include "check.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

TableOptions budget_options(std::uint64_t max_rows, Evict evict = Evict::kLeastRecent) {
  TableOptions options = options_of(1);
  options.max_rows = max_rows;
  options.evict = evict;
  return options;
}

/// FIDs whose rows lie in one shard of a table with these options, so that they compete with each other alone.
Fids fids_of_one_shard(const TableOptions& options, std::size_t num) {
  const KeyIndex<MarkedBucket> index(options.index_salt, nullptr);
  Fids fids;
  for (std::uint64_t fid = 1; fids.size() < num; ++fid) {
    if (HashParts::shard(index.hash(fid)) == 5) fids.push_back(fid);
  }
  return fids;
}

void test_the_budget_is_never_passed_by_more_than_a_row_a_shard() {
  for (const Evict evict : {Evict::kLeastRecent, Evict::kLeastOften}) {
    for (const std::uint64_t max_rows : {1, 10, 1000, 20'000}) {
      Table table(budget_options(max_rows, evict));
      for (std::uint32_t round = 0; round < 40; ++round) {
        create(table, mixed_fids(round * 1000, 1500), round);
        CHECK(table.size() <= max_rows + 16);
        CHECK(table.size() >= std::min<std::uint64_t>(max_rows * 9 / 10, 1500));
      }
      const TableCounters counters = table.counters();
      CHECK(counters.num_created - counters.num_over_budget == table.size());
      CHECK(counters.num_expired == 0 && counters.num_erased == 0);
      CHECK(table.digest() == table.computed_digest());
    }
  }
}

void test_the_least_recent_goes_first_by_hand() {
  const TableOptions options = budget_options(4);
  const Fids fids = fids_of_one_shard(options, 8);
  Table table(options);
  const std::uint32_t seen_at_s[] = {40, 10, 30, 20};
  for (int i = 0; i < 4; ++i) create(table, {fids[i]}, seen_at_s[i]);
  create(table, {fids[4]}, 50);
  CHECK(!is_present(table, fids[1]) && table.size() == 4);
  create(table, {fids[3]}, 60);  // seen again
  create(table, {fids[5]}, 70);
  CHECK(!is_present(table, fids[2]));
  create(table, {fids[6]}, 80);
  CHECK(!is_present(table, fids[0]));
  create(table, {fids[7]}, 90);
  CHECK(!is_present(table, fids[4]));
  CHECK(num_present(table, {fids[3], fids[5], fids[6], fids[7]}) == 4);
  CHECK(table.counters().num_over_budget == 4);
}

void test_the_least_often_goes_first_by_hand() {
  const TableOptions options = budget_options(3, Evict::kLeastOften);
  const Fids fids = fids_of_one_shard(options, 5);
  Table table(options);
  create(table, Fids(9, fids[0]), 10);
  create(table, Fids(2, fids[1]), 30);
  create(table, Fids(5, fids[2]), 20);
  create(table, {fids[3]}, 40);  // 2 is the least; the others are halved to 4 and 2
  CHECK(!is_present(table, fids[1]));
  Picture rows = picture_of(table);
  CHECK(rows.at(fids[0]).count == 4 && rows.at(fids[2]).count == 2 && rows.at(fids[3]).count == 1);
  create(table, {fids[4]}, 50);
  CHECK(!is_present(table, fids[3]));
  create(table, {fids[4]}, 50);  // now 2, as often as... 0 has 2, and 2 has 1
  rows = picture_of(table);
  CHECK(rows.at(fids[0]).count == 2 && rows.at(fids[2]).count == 1 && rows.at(fids[4]).count == 2);
  create(table, {fids[1]}, 60);
  CHECK(!is_present(table, fids[2]));
}

void test_between_equals_the_one_seen_longer_ago_goes() {
  const TableOptions options = budget_options(3, Evict::kLeastOften);
  const Fids fids = fids_of_one_shard(options, 4);
  Table table(options);
  create(table, {fids[0]}, 20);
  create(table, {fids[1]}, 10);
  create(table, {fids[2]}, 30);
  create(table, {fids[3]}, 40);
  CHECK(!is_present(table, fids[1]) && table.size() == 3);
}

void test_rows_seen_at_this_moment_go_last() {
  Table table(budget_options(2000));
  create(table, mixed_fids(0, 2000), 10);
  const Fids batch = mixed_fids(5000, 1000);
  create(table, batch, 20);
  CHECK(num_present(table, batch) == 1000);
  create(table, batch, 30);  // nothing new: nothing goes
  CHECK(table.counters().num_created == 3000);
  const Fids mixed = mixed_fids(5500, 1000);  // half known, half new
  create(table, mixed, 40);
  CHECK(num_present(table, mixed) == 1000);
}

void test_a_batch_above_the_budget_has_every_row_created_once() {
  Table table(budget_options(500));
  const Fids batch = mixed_fids(0, 3000);
  const Floats out = create(table, batch, 10);
  for (const float value : out) CHECK(value != 0.0F);
  CHECK(table.size() <= 516 && table.counters().num_created == 3000);
}

void test_a_new_row_is_not_taken_for_the_next_of_its_batch() {
  const TableOptions options = budget_options(3, Evict::kLeastOften);
  const Fids fids = fids_of_one_shard(options, 5);
  Table table(options);
  for (int i = 0; i < 3; ++i) create(table, Fids(20, fids[i]), 10);
  create(table, {fids[3], fids[4]}, 50);  // seen once each, but now
  CHECK(table.size() == 3 && num_present(table, {fids[3], fids[4]}) == 2);
}

void test_a_row_that_goes_while_its_batch_is_sighted_is_absent_from_it() {
  const TableOptions options = budget_options(1);
  const Fids fids = fids_of_one_shard(options, 2);
  Table table(options);
  const SightedBatch batch = table.sight(fids, slots_for(fids), Times{10});  // room for one of two
  CHECK(table.size() == 1);
  const std::size_t stays = is_present(table, batch.fids[0]) ? 0 : 1;
  const Floats initial = lookup(table, batch.fids);
  Floats gathered(2, -1.0F);
  table.gather(batch, gathered);
  CHECK(gathered == initial && gathered[stays] != 0 && gathered[1 - stays] == 0);
  Floats grads(2, 0.0F);
  grads[1 - stays] = 1.0F;
  const ApplyResult result = table.apply(batch, grads, 0.5F);
  CHECK(result.num_applied == 1 && result.num_absent == 1);
  CHECK(lookup(table, batch.fids) == initial);  // the gradient of the one that went moved nothing
}

/// The share of an old and of a new half that survives when a third of the table goes.
void test_over_many_rows_age_decides() {
  Table table(budget_options(60'000));
  for (std::uint32_t i = 0; i < 60; ++i) create(table, mixed_fids(i * 1000, 1000), 100 + i);
  for (std::uint32_t i = 60; i < 80; ++i) create(table, mixed_fids(i * 1000, 1000), 100 + i);
  const std::size_t num_old = num_present(table, mixed_fids(0, 20'000));
  const std::size_t num_middle = num_present(table, mixed_fids(20'000, 20'000));
  const std::size_t num_late = num_present(table, mixed_fids(40'000, 40'000));
  std::printf("of the oldest 20,000 stay %zu, of the next %zu, of the last 40,000 %zu\n", num_old, num_middle,
              num_late);
  CHECK(num_old < 3000 && num_middle > 17'000 && num_late > 39'000);
}

void test_over_many_rows_frequency_decides() {
  Table table(budget_options(30'000, Evict::kLeastOften));
  for (int repeat = 0; repeat < 100; ++repeat) create(table, mixed_fids(0, 10'000), 1);
  for (std::uint32_t i = 10; i < 30; ++i)
    create(table, mixed_fids(i * 1000, 1000), 100 + i);  // once each, later
  CHECK(table.size() == 30'000);
  for (std::uint32_t i = 30; i < 36; ++i) create(table, mixed_fids(i * 1000, 1000), 100 + i);
  const std::size_t num_popular = num_present(table, mixed_fids(0, 10'000));
  const std::size_t num_once = num_present(table, mixed_fids(10'000, 20'000));
  std::printf("of 10,000 popular rows stay %zu, of 20,000 seen once %zu\n", num_popular, num_once);
  CHECK(num_popular == 10'000 && num_once < 15'000);
}

void test_the_same_inputs_and_salt_give_the_same_decisions() {
  const auto run = [](Table& table) {
    for (std::uint32_t round = 0; round < 30; ++round) {
      const Fids fids = mixed_fids(round * 600, 1500);
      const SightedBatch batch = table.sight(fids, slots_for(fids), Times{round});
      table.apply(batch, Floats(batch.fids.size(), 0.5F), 0.1F);
      table.expire(round, 300);
    }
  };
  for (const Evict evict : {Evict::kLeastRecent, Evict::kLeastOften}) {
    TableOptions options = budget_options(5000, evict);
    options.rules.set(1, {.ttl_s = 20});
    Table one(options);
    Table other(options);
    run(one);
    run(other);
    CHECK(picture_of(one) == picture_of(other));
    CHECK(one.export_state() == other.export_state());
  }
}

void test_a_restored_table_decides_as_the_saved_one_would() {
  for (const Evict evict : {Evict::kLeastRecent, Evict::kLeastOften}) {
    const TableOptions options = budget_options(4000, evict);
    Table table(options);
    for (std::uint32_t round = 0; round < 20; ++round) create(table, mixed_fids(round * 500, 1000), round);
    Table restored(options);
    restored.import_rows(rows_of(picture_of(table)));
    restored.import_state(table.export_state());
    for (std::uint32_t round = 20; round < 40; ++round) {
      create(table, mixed_fids(round * 500, 1000), round);
      create(restored, mixed_fids(round * 500, 1000), round);
    }
    CHECK(picture_of(table) == picture_of(restored));
    CHECK(table.counters().num_over_budget == restored.counters().num_over_budget);
  }
}

void test_what_went_is_a_delete_in_the_next_delta() {
  Table table(budget_options(1000));
  ServingTable replica(1, Precision::kFloat32, 4);
  for (std::uint32_t round = 0; round < 10; ++round) {
    create(table, mixed_fids(round * 400, 800), round);
    apply(replica, table.export_delta(SIZE_MAX));
    table.acknowledge_delta();
    CHECK(replica.size() == table.size() && replica.digest() == table.digest());
  }
  CHECK(table.counters().num_over_budget > 2000);
}

void test_a_budget_in_bytes_becomes_rows() {
  const OptimizerOptions adagrad;
  const std::size_t bytes = Table::bytes_per_row(16, adagrad);
  CHECK(bytes > 2 * 16 * sizeof(float) + 16 && bytes < 2 * 16 * sizeof(float) + 40);
  OptimizerOptions sgd;
  sgd.kind = OptimizerKind::kSgd;
  CHECK(bytes - Table::bytes_per_row(16, sgd) == 16 * sizeof(float));
}

}  // namespace

int main() {
  test_the_budget_is_never_passed_by_more_than_a_row_a_shard();
  test_the_least_recent_goes_first_by_hand();
  test_the_least_often_goes_first_by_hand();
  test_between_equals_the_one_seen_longer_ago_goes();
  test_rows_seen_at_this_moment_go_last();
  test_a_batch_above_the_budget_has_every_row_created_once();
  test_a_new_row_is_not_taken_for_the_next_of_its_batch();
  test_a_row_that_goes_while_its_batch_is_sighted_is_absent_from_it();
  test_over_many_rows_age_decides();
  test_over_many_rows_frequency_decides();
  test_the_same_inputs_and_salt_give_the_same_decisions();
  test_a_restored_table_decides_as_the_saved_one_would();
  test_what_went_is_a_delete_in_the_next_delta();
  test_a_budget_in_bytes_becomes_rows();
}
