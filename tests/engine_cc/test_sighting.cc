// A training step in two calls, sight and apply, is to the bit lookup_or_create and apply_gradients, whatever happens to
// the rows in between.

#include <functional>

#include "check.h"
#include "freshet/checkpoint.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

constexpr std::uint32_t kDim = 5;

struct Batch {
  Fids fids;
  Slots slots;
  Times seen_at_s;
  Floats grads;
};

Batch random_batch(std::uint64_t seed, std::size_t size, std::uint64_t num_fids) {
  Batch batch;
  std::uint64_t state = seed * 1000;
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint64_t word = mix64(state += kGolden64);
    batch.fids.push_back(word % num_fids * word % num_fids);
    batch.slots.push_back(static_cast<std::uint16_t>(batch.fids.back() % 4));
    batch.seen_at_s.push_back(static_cast<std::uint32_t>(1000 * seed + (word >> 50) % 100));
    for (std::uint32_t j = 0; j < kDim; ++j) {
      batch.grads.push_back(static_cast<float>(static_cast<std::int64_t>(mix64(word + j) >> 40) - (1 << 23)) *
                            0x1p-22F);
    }
  }
  return batch;
}

/// What a caller of `apply` does with the gradients of positions: sums them, in input order.
Floats sums_of(const SightedBatch& sighted, const Floats& grads) {
  Floats sums(sighted.fids.size() * kDim, 0.0F);
  for (std::size_t at = 0; at < sighted.members.size(); ++at) {
    for (std::size_t i = 0; i < kDim; ++i) {
      sums[static_cast<std::size_t>(sighted.members[at]) * kDim + i] += grads[at * kDim + i];
    }
  }
  return sums;
}

/// Runs the same steps by both ways; `between(table, round)` happens between the halves of a step.
void check_ways_agree(const TableOptions& options,
                      const std::function<void(Table&, std::uint64_t)>& between) {
  Table by_rows(options);
  Table by_fids(options);
  for (std::uint64_t round = 1; round <= 16; ++round) {
    const Batch batch = random_batch(round, 700, 2500);
    const SightedBatch sighted = by_rows.sight(batch.fids, batch.slots, batch.seen_at_s);
    Floats gathered(sighted.fids.size() * kDim, -1.0F);
    by_rows.gather(sighted, gathered);
    Floats looked_up(batch.fids.size() * kDim, -1.0F);
    by_fids.lookup_or_create(batch.fids, batch.slots, batch.seen_at_s, looked_up);
    for (std::size_t at = 0; at < batch.fids.size(); ++at) {
      const auto unique = static_cast<std::size_t>(sighted.members[at]);
      CHECK(sighted.fids[unique] == batch.fids[at]);
      for (std::size_t i = 0; i < kDim; ++i) CHECK(gathered[unique * kDim + i] == looked_up[at * kDim + i]);
    }
    between(by_rows, round);
    between(by_fids, round);
    by_rows.gather(sighted, gathered);
    CHECK(gathered == lookup(by_fids, sighted.fids));
    const ApplyResult one = by_rows.apply(sighted, sums_of(sighted, batch.grads), 0.1F);
    const ApplyResult other = by_fids.apply_gradients(batch.fids, batch.grads, 0.1F);
    CHECK(one.num_applied + one.num_absent + one.num_rejected == sighted.fids.size());
    CHECK((one.num_absent == 0) == (other.num_absent == 0));
    CHECK(by_rows.digest() == by_fids.digest());
    if (round % 4 == 0) CHECK(untouched(picture_of(by_rows)) == untouched(picture_of(by_fids)));
  }
  CHECK(by_rows.digest() == by_rows.computed_digest());
  CHECK(by_rows.export_state() == by_fids.export_state());
}

void test_with_nothing_between() {
  check_ways_agree(options_of(kDim), [](Table&, std::uint64_t) {});
}

void test_with_erasures_between() {
  check_ways_agree(options_of(kDim), [](Table& table, std::uint64_t round) {
    Fids fids;
    for (std::uint64_t fid = round % 3; fid < 2500; fid += 3) fids.push_back(fid);
    table.erase(fids);
  });
}

void test_with_rows_that_went_and_came_back_between() {
  check_ways_agree(options_of(kDim), [](Table& table, std::uint64_t round) {
    Fids fids;
    for (std::uint64_t fid = round % 3; fid < 2500; fid += 3) fids.push_back(fid);
    table.erase(fids);
    create(table, mixed_fids(round * 100, 100), 7);  // takes the rows that became free
    table.assign(fids, slots_for(fids), Floats(fids.size() * kDim, 0.25F));
  });
}

void test_with_growth_between() {
  check_ways_agree(options_of(kDim), [](Table& table, std::uint64_t round) {
    create(table, mixed_fids(round * 4000, 4000), 7);
  });
}

void test_with_deltas_between() {
  check_ways_agree(options_of(kDim), [](Table& table, std::uint64_t round) {
    table.export_delta(round % 2 == 0 ? 300 : 100'000);
    if (round % 3 == 0) table.restore_delta();
    if (round % 3 == 1) table.acknowledge_delta();
    if (round % 5 == 0) table.forget_touched();
  });
}

void test_with_expiry_budget_and_admission_at_work() {
  TableOptions options = options_of(kDim);
  options.max_rows = 900;
  options.rules.set(1, {.admission = AdmissionKind::kMinCount, .min_count = 3});
  options.rules.set(2, {.ttl_s = 2000});
  options.rules.set(3, {.admission = AdmissionKind::kProbability, .probability = 0.3});
  check_ways_agree(options, [](Table& table, std::uint64_t round) {
    table.expire(static_cast<std::uint32_t>(1000 * round), 300);
  });
}

void test_a_step_after_an_export_is_in_the_next_delta() {
  Table table(options_of(1));
  create(table, {1, 2});
  const SightedBatch sighted = table.sight(Fids{1, 2}, Slots{1, 1}, Times{5});
  ServingTable replica(1, Precision::kFloat32, 3);
  apply(replica, table.export_delta(10));
  table.acknowledge_delta();
  CHECK(table.num_touched() == 0);
  table.apply(sighted, Floats{1, 1}, 0.5F);
  CHECK(table.num_touched() == 2);
  apply(replica, table.export_delta(10));
  CHECK(replica.digest() == table.digest());
}

void test_a_checkpoint_that_begins_between_has_the_rows_of_before() {
  for (const bool is_incremental : {false, true}) {
    Table table(options_of(1));
    create(table, mixed_fids(0, 3000));
    if (is_incremental) {
      Checkpoint base(table, false);
      while (!base.next(1000).fids.empty()) continue;
    }
    const Fids fids = mixed_fids(0, 50);
    const SightedBatch sighted = table.sight(fids, slots_for(fids), Times{9});
    const Picture before = picture_of(table);
    Checkpoint checkpoint(table, is_incremental);
    CHECK(checkpoint.is_incremental() == is_incremental);
    table.apply(sighted, Floats(sighted.fids.size(), 1.0F), 0.5F);
    Picture read;
    for (;;) {
      const Rows rows = checkpoint.next(1000);
      if (rows.fids.empty()) break;
      add_rows(read, rows, 1, 1);
    }
    CHECK(read.size() == (is_incremental ? 50 : 3000));
    for (const auto& [fid, row] : read) CHECK(row == before.at(fid));
    // The step itself is in the next one.
    Checkpoint next(table, true);
    Picture changed;
    add_rows(changed, next.next(SIZE_MAX), 1, 1);
    CHECK(changed.size() == 50);
    for (const auto& [fid, row] : picture_of(table)) CHECK(changed.count(fid) == 0 || changed.at(fid) == row);
  }
}

void test_members_name_each_fid_once() {
  Table table(options_of(1));
  const SightedBatch batch = table.sight(Fids{4, 4, 9, 4, 7}, Slots{1, 1, 1, 1, 1}, Times{3, 8, 1, 5, 2});
  CHECK((sorted(batch.fids) == Fids{4, 7, 9}));
  CHECK(batch.members[0] == batch.members[1] && batch.members[1] == batch.members[3]);
  const Picture rows = picture_of(table);
  CHECK(rows.at(4).seen_at_s == 8 && rows.at(4).count == 3);
  CHECK(rows.at(7).seen_at_s == 2 && rows.at(9).count == 1);
}

void test_a_position_that_was_not_seen_is_learned_and_not_sighted() {
  Table table(options_of(1));
  create(table, {1}, 10);
  table.export_delta(10);
  table.acknowledge_delta();
  const SightedBatch batch = table.sight(Fids{1, 2, 3, 3, 1}, Slots{1, 1, 5, 6, 1},
                                         Times{kNotSeen, kNotSeen, kNotSeen, 30, kNotSeen});
  CHECK(batch.fids.size() == 3);
  const Picture before = picture_of(table);
  CHECK(before.size() == 2 && before.count(2) == 0);  // 2 has earned nothing
  CHECK(before.at(1).seen_at_s == 10 && before.at(1).count == 1);
  CHECK(before.at(3).seen_at_s == 30 && before.at(3).count == 1 && before.at(3).slot == 6);
  const ApplyResult result = table.apply(batch, Floats(3, 1.0F), 0.5F);
  CHECK(result.num_applied == 2 && result.num_absent == 1);
  CHECK((sorted(table.export_delta(10).fids) == Fids{1, 3}));
  CHECK(create(table, {2}, kNotSeen) == Floats{0} && !is_present(table, 2));
}

}  // namespace

int main() {
  test_with_nothing_between();
  test_with_erasures_between();
  test_with_rows_that_went_and_came_back_between();
  test_with_growth_between();
  test_with_deltas_between();
  test_with_expiry_budget_and_admission_at_work();
  test_a_step_after_an_export_is_in_the_next_delta();
  test_a_checkpoint_that_begins_between_has_the_rows_of_before();
  test_members_name_each_fid_once();
  test_a_position_that_was_not_seen_is_learned_and_not_sighted();
}
