// Deltas lose nothing and repeat little, however many are in flight; what waits takes memory in proportion.

#include <map>
#include <set>

#include "check.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

void acknowledge_all(Table& table) {
  table.export_delta(SIZE_MAX);
  table.acknowledge_delta();
}

void test_a_delta_is_the_present_state_of_what_it_names() {
  Table table(options_of(3));
  const Fids fids = mixed_fids(0, 30'000);
  for (std::size_t i = 0; i < fids.size(); i += 3000) {
    create(table,
           Fids(fids.begin() + static_cast<std::ptrdiff_t>(i),
                fids.begin() + static_cast<std::ptrdiff_t>(i) + 3000),
           0, static_cast<std::uint16_t>(i / 3000));
  }
  table.erase(Fids(fids.begin(), fids.begin() + 100));
  const Delta delta = table.export_delta(SIZE_MAX);
  CHECK(delta.fids.size() == 29'900 && delta.deleted.size() == 100);
  CHECK(delta.slots.size() == delta.fids.size());
  CHECK(delta.vectors == lookup(table, delta.fids));
  const Picture rows = picture_of(table);
  for (std::size_t i = 0; i < delta.fids.size(); ++i) CHECK(delta.slots[i] == rows.at(delta.fids[i]).slot);
  CHECK(std::set<std::uint64_t>(delta.fids.begin(), delta.fids.end()).size() == delta.fids.size());
}

void test_the_limit_holds_and_deletes_go_first() {
  Table table(options_of(1));
  create(table, mixed_fids(0, 1000));
  table.erase(mixed_fids(0, 150));
  const std::size_t sizes[] = {0, 1, 100, 49, 100, 400, 1000};
  std::size_t num_deleted = 0;
  std::size_t num_rows = 0;
  for (const std::size_t size : sizes) {
    const Delta delta = table.export_delta(size);
    CHECK(delta.fids.size() + delta.deleted.size() <= size);
    CHECK(delta.fids.empty() || num_deleted + delta.deleted.size() == 150);
    num_deleted += delta.deleted.size();
    num_rows += delta.fids.size();
    CHECK(table.num_touched() == 1000 - num_deleted - num_rows);
  }
  CHECK(num_deleted == 150 && num_rows == 850);
}

/// A model of the touched set: what a FID needs to say, and whether it is in flight.
struct Model {
  std::set<std::uint64_t> rows;
  std::set<std::uint64_t> touched;
  std::set<std::uint64_t> deletes;
  std::set<std::uint64_t> in_flight;

  void touch(std::uint64_t fid) { touched.insert(fid); }
  void create(std::uint64_t fid) {
    if (rows.insert(fid).second) touch(fid);
    deletes.erase(fid);
  }
  void erase(std::uint64_t fid) {
    if (rows.erase(fid) == 0) return;
    touched.erase(fid);
    deletes.insert(fid);
  }
  void take(const Delta& delta) {
    for (const std::uint64_t fid : delta.fids) {
      CHECK(touched.erase(fid) == 1);
      in_flight.insert(fid);
    }
    for (const std::uint64_t fid : delta.deleted) {
      CHECK(deletes.erase(fid) == 1);
      in_flight.insert(fid);
    }
  }
  void restore() {
    for (const std::uint64_t fid : in_flight) (rows.count(fid) != 0 ? touched : deletes).insert(fid);
    in_flight.clear();
  }
  std::size_t num_touched() const { return touched.size() + deletes.size(); }
};

void test_any_sequence_of_calls_agrees_with_a_model() {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    Table table(options_of(1, seed));
    Model model;
    std::uint64_t state = seed;
    for (int step = 0; step < 1500; ++step) {
      const std::uint64_t word = mix64(state += kGolden64);
      Fids fids;
      for (std::uint64_t i = 0; i < word % 20; ++i) fids.push_back(mix64(word + i) % 150);
      switch ((word >> 32) % 12) {
        case 0:
        case 1:
        case 2:
          create(table, fids);
          for (const std::uint64_t fid : fids) model.create(fid);
          break;
        case 3:
        case 4:
          table.apply_gradients(fids, Floats(fids.size(), 1.0F), 0.1F);
          for (const std::uint64_t fid : fids) {
            if (model.rows.count(fid) != 0) model.touch(fid);
          }
          break;
        case 5:
        case 6:
          table.erase(fids);
          for (const std::uint64_t fid : fids) model.erase(fid);
          break;
        case 7:
        case 8:
          model.take(table.export_delta((word >> 40) % 100));
          break;
        case 9:
          table.acknowledge_delta();
          model.in_flight.clear();
          break;
        case 10:
          table.restore_delta();
          model.restore();
          break;
        default:
          if ((word >> 40) % 4 != 0) break;
          table.forget_touched();
          model.touched.clear();
          model.deletes.clear();
          model.in_flight.clear();
      }
      CHECK(table.num_touched() == model.num_touched());
      Fids pending(model.deletes.begin(), model.deletes.end());
      for (const std::uint64_t fid : model.in_flight) {
        if (model.rows.count(fid) == 0 && model.deletes.count(fid) == 0) pending.push_back(fid);
      }
      CHECK(table.pending_deletes() == sorted(pending));
    }
    const Delta rest = table.export_delta(SIZE_MAX);
    CHECK(sorted(rest.fids) == Fids(model.touched.begin(), model.touched.end()));
    CHECK(sorted(rest.deleted) == Fids(model.deletes.begin(), model.deletes.end()));
  }
}

void test_a_publisher_that_loses_half_its_deltas_brings_the_replica_level() {
  Table trainer(options_of(4));
  ServingTable replica(4, Precision::kFloat32, 8);
  std::uint64_t state = 9;
  for (int round = 0; round < 120; ++round) {
    const std::uint64_t word = mix64(state += kGolden64);
    const Fids fids = mixed_fids(word % 3000, 200);
    create(trainer, fids);
    trainer.apply_gradients(fids, Floats(fids.size() * 4, 0.5F), 0.1F);
    trainer.erase(mixed_fids(word % 3000 + 50, 40));
    std::vector<Delta> sent;
    for (std::uint64_t i = 0; i <= (word >> 20) % 3; ++i) sent.push_back(trainer.export_delta(150));
    if ((word >> 30) % 2 == 0) {
      trainer.restore_delta();  // none arrived
    } else {
      for (const Delta& delta : sent) apply(replica, delta);
      trainer.acknowledge_delta();
    }
  }
  while (trainer.num_touched() > 0) apply(replica, trainer.export_delta(1000));
  CHECK(replica.size() == trainer.size() && replica.digest() == trainer.digest());
}

void test_repeats_in_the_log_stay_in_proportion() {
  Table table(options_of(1));
  const Fids fids = mixed_fids(0, 5000);
  create(table, fids);
  table.erase(fids);
  const std::size_t before = table.memory_bytes();
  for (int i = 0; i < 60; ++i) {
    create(table, fids);
    table.erase(fids);
  }
  create(table, fids);
  // 8 bytes for each of 65,536 FIDs that need no compaction, and four times what is touched.
  CHECK(table.memory_bytes() < before + 8 * (65'536 + 4 * 5000 + 3 * 4096) + 64 * 5000);
  CHECK(sorted(table.export_delta(SIZE_MAX).fids) == sorted(fids));
}

void test_rows_that_went_unpublished_do_not_slow_every_call() {
  // More FIDs without a row in the log than compaction allows, none of them twice: it must not be tried at each call.
  Table table(options_of(1));
  for (std::uint64_t i = 0; i < 200'000; i += 10'000) {
    create(table, mixed_fids(i, 10'000));
    table.erase(mixed_fids(i, 10'000));
  }
  for (int i = 0; i < 3000; ++i) create(table, {1});
  CHECK(table.num_touched() == 200'001);
  acknowledge_all(table);
  CHECK(table.num_touched() == 0);
}

void test_settling_with_a_long_log_does_not_wait_for_itself() {
  Table table(options_of(1));
  const Fids fids = mixed_fids(0, 10'000);
  create(table, {1});
  table.export_delta(1);
  for (int i = 0; i < 8; ++i) {
    create(table, fids);
    table.erase(fids);
  }
  table.restore_delta();
  table.acknowledge_delta();
  table.forget_touched();
  CHECK(table.num_touched() == 0);
}

void test_forgetting_gives_the_logs_memory_back() {
  Table table(options_of(1));
  create(table, mixed_fids(0, 1));
  for (std::uint64_t i = 0; i < 200'000; i += 10'000) create(table, mixed_fids(i, 10'000));
  const std::size_t before = table.memory_bytes();
  table.forget_touched();
  CHECK(table.memory_bytes() + 8 * 190'000 < before);
}

void test_settling_takes_no_memory() {
  Table table(options_of(1));
  for (std::uint64_t i = 0; i < 200'000; i += 10'000) create(table, mixed_fids(i, 10'000));
  table.export_delta(SIZE_MAX);
  const std::size_t before = table.memory_bytes();
  table.acknowledge_delta();
  CHECK(table.memory_bytes() <= before);
}

void test_lasting_exports_take_no_more_memory() {
  Table table(options_of(1));
  for (std::uint64_t i = 0; i < 200'000; i += 10'000) create(table, mixed_fids(i, 10'000));
  acknowledge_all(table);
  const std::size_t before = table.memory_bytes();
  const Fids some = mixed_fids(0, 1000);
  for (int i = 0; i < 100; ++i) {
    table.apply_gradients(some, Floats(some.size(), 1.0F), 0.1F);
    acknowledge_all(table);
  }
  CHECK(table.memory_bytes() <= before + 16 * 4096);
}

}  // namespace

int main() {
  test_a_delta_is_the_present_state_of_what_it_names();
  test_the_limit_holds_and_deletes_go_first();
  test_any_sequence_of_calls_agrees_with_a_model();
  test_a_publisher_that_loses_half_its_deltas_brings_the_replica_level();
  test_repeats_in_the_log_stay_in_proportion();
  test_rows_that_went_unpublished_do_not_slow_every_call();
  test_settling_with_a_long_log_does_not_wait_for_itself();
  test_forgetting_gives_the_logs_memory_back();
  test_settling_takes_no_memory();
  test_lasting_exports_take_no_more_memory();
}
