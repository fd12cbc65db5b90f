// A row that changed, or went, is exported until its delta is acknowledged; a failed publish loses nothing.

#include <algorithm>

#include "check.h"
#include "tables.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

Fids sorted(Fids fids) {
  std::sort(fids.begin(), fids.end());
  return fids;
}

void test_changes_of_every_kind_are_exported_once() {
  Table table(options_of(1));
  create(table, {1, 2, 3});
  CHECK(table.num_touched() == 3);
  CHECK((table.export_delta(100).fids == Fids{1, 2, 3}));
  table.acknowledge_delta();
  CHECK(table.num_touched() == 0);

  table.apply_gradients(Fids{2, 2}, Floats{1, 1}, 0.1F);
  table.assign(Fids{3, 4}, slots_for({3, 4}), Floats{0.5F, 0.25F});
  table.erase(Fids{1, 77});
  CHECK(table.num_touched() == 4);
  const Delta delta = table.export_delta(100);
  CHECK((delta.fids == Fids{2, 3, 4}));
  CHECK((delta.deleted == Fids{1}));
  CHECK(delta.vectors[1] == 0.5F && delta.vectors[2] == 0.25F);
  CHECK(table.export_delta(100).fids.empty());
}

void test_a_restored_delta_is_exported_again_in_its_present_state() {
  Table table(options_of(1));
  create(table, {1, 2, 3, 4});
  table.erase(Fids{4});
  table.export_delta(100);
  table.erase(Fids{2});                                  // in flight as a row, then gone
  create(table, {4});                                    // in flight as a delete, then back
  table.assign(Fids{3}, slots_for({3}), Floats{0.75F});  // changed while in flight
  table.restore_delta();
  const Delta delta = table.export_delta(100);
  CHECK((sorted(delta.fids) == Fids{1, 3, 4}));
  CHECK((delta.deleted == Fids{2}));
  table.acknowledge_delta();
  table.restore_delta();
  CHECK(table.num_touched() == 0);
}

void test_several_exports_are_settled_together() {
  Table table(options_of(1));
  create(table, {1, 2, 3, 4, 5});
  table.erase(Fids{5});
  CHECK((table.export_delta(2).deleted == Fids{5}));
  CHECK((table.export_delta(2).fids == Fids{2, 3}));
  CHECK(table.num_touched() == 1);
  table.restore_delta();
  CHECK(table.num_touched() == 5);
}

void test_a_row_created_anew_is_no_delete() {
  Table table(options_of(1));
  create(table, {1});
  table.erase(Fids{1});
  create(table, {1});
  const Delta delta = table.export_delta(100);
  CHECK((delta.fids == Fids{1}));
  CHECK(delta.deleted.empty());
}

void test_a_replica_that_applies_every_delta_has_the_digest_of_its_trainer() {
  Table trainer(options_of(3, 1));
  Table replica(options_of(3, 2));
  for (std::uint64_t round = 0; round < 50; ++round) {
    Fids fids;
    for (std::uint64_t i = 0; i < 40; ++i) fids.push_back(mix64(round * 40 + i) % 300);
    create(trainer, fids);
    trainer.apply_gradients(fids, Floats(fids.size() * 3, 0.5F), 0.1F);
    trainer.erase(Fids{fids[0], fids[1]});
    while (trainer.num_touched() > 0) apply(replica, trainer.export_delta(7));
    trainer.acknowledge_delta();
    CHECK(replica.size() == trainer.size());
    CHECK(replica.digest() == trainer.digest());
  }
  CHECK(replica.num_touched() == 0);
}

void test_applying_a_delta_keeps_what_is_pending_here_pending() {
  Table table(options_of(1));
  create(table, {1, 2});
  table.erase(Fids{2});
  table.apply_delta(Fids{2}, slots_for({2}), Floats{0.5F}, Fids{1});
  const Delta delta = table.export_delta(100);
  CHECK((delta.fids == Fids{2}));
  CHECK((delta.deleted == Fids{1}));
}

void test_rows_tell_what_is_touched_or_in_flight() {
  Table table(options_of(1));
  create(table, {1, 2, 3, 4});
  table.export_delta(100);
  table.acknowledge_delta();
  table.assign(Fids{2}, slots_for({2}), Floats{0.5F});
  table.export_delta(100);
  table.assign(Fids{3}, slots_for({3}), Floats{0.5F});
  table.erase(Fids{4});
  CHECK((table.export_rows(0, 100).touched == std::vector<std::uint8_t>{0, 1, 1}));
  CHECK((table.pending_deletes() == Fids{4}));

  Table restored(options_of(1));
  const Rows rows = table.export_rows(0, 100);
  restored.import_rows(rows.fids, rows.slots, rows.vectors, rows.accumulators, rows.touched);
  restored.import_deletes(table.pending_deletes());
  const Delta delta = restored.export_delta(100);
  CHECK((sorted(delta.fids) == Fids{2, 3}));
  CHECK((delta.deleted == Fids{4}));
}

void test_forgetting_leaves_rows_that_can_be_touched_again() {
  Table table(options_of(1));
  create(table, {1, 2, 3});
  table.export_delta(1);
  table.erase(Fids{3});
  table.forget_touched();
  table.restore_delta();
  CHECK(table.num_touched() == 0);
  CHECK(table.pending_deletes().empty());
  CHECK((table.export_rows(0, 10).touched == std::vector<std::uint8_t>{0, 0}));
  table.apply_gradients(Fids{2}, Floats{1}, 0.1F);
  CHECK((table.export_delta(10).fids == Fids{2}));
}

void test_creating_and_erasing_for_ever_does_not_grow_the_touched_set() {
  Table table(options_of(1));
  create(table, {1});
  table.erase(Fids{1});
  const std::size_t before = table.memory_bytes();
  for (int i = 0; i < 10'000; ++i) {
    create(table, {1});
    table.erase(Fids{1});
  }
  CHECK(table.memory_bytes() == before);
}

}  // namespace

int main() {
  test_changes_of_every_kind_are_exported_once();
  test_a_restored_delta_is_exported_again_in_its_present_state();
  test_several_exports_are_settled_together();
  test_a_row_created_anew_is_no_delete();
  test_a_replica_that_applies_every_delta_has_the_digest_of_its_trainer();
  test_applying_a_delta_keeps_what_is_pending_here_pending();
  test_rows_tell_what_is_touched_or_in_flight();
  test_forgetting_leaves_rows_that_can_be_touched_again();
  test_creating_and_erasing_for_ever_does_not_grow_the_touched_set();
}
