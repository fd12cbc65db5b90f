// A row that changed, or went, is exported until its delta is acknowledged; a failed publish loses nothing.

#include <algorithm>

#include "check.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

void test_changes_of_every_kind_are_exported_once() {
  Table table(options_of(1));
  create(table, {1, 2, 3});
  CHECK(table.num_touched() == 3);
  CHECK((sorted(table.export_delta(100).fids) == Fids{1, 2, 3}));
  table.acknowledge_delta();
  CHECK(table.num_touched() == 0);

  table.apply_gradients(Fids{2, 2}, Floats{1, 1}, 0.1F);
  table.assign(Fids{3, 4}, slots_for({3, 4}), Floats{0.5F, 0.25F});
  table.erase(Fids{1, 77});
  CHECK(table.num_touched() == 4);
  const Delta delta = table.export_delta(100);
  CHECK((sorted(delta.fids) == Fids{2, 3, 4}));
  CHECK((delta.deleted == Fids{1}));
  CHECK(delta.vectors == lookup(table, delta.fids));
  CHECK((lookup(table, {3, 4}) == Floats{0.5F, 0.25F}));
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
  CHECK((table.export_delta(2).deleted == Fids{5}));  // and one row
  CHECK(table.export_delta(2).fids.size() == 2);
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
  ServingTable replica(3, Precision::kFloat32, 2);
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
  const Picture rows = picture_of(table);
  CHECK(rows.at(1).touched == 0 && rows.at(2).touched == 1 && rows.at(3).touched == 1);
  CHECK((table.pending_deletes() == Fids{4}));

  Table restored(options_of(1));
  restored.import_rows(rows_of(rows));
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
  for (const auto& [fid, row] : picture_of(table)) CHECK(row.touched == 0);
  table.apply_gradients(Fids{2}, Floats{1}, 0.1F);
  CHECK((table.export_delta(10).fids == Fids{2}));
}

void test_rows_go_in_the_order_of_their_first_touch() {
  Table table(options_of(1));
  for (const std::uint64_t fid : {5, 3, 9, 1, 7}) create(table, {fid});
  table.apply_gradients(Fids{5, 7}, Floats{1, 1}, 0.1F);  // touched already: they keep their places
  table.erase(Fids{9});
  CHECK((table.export_delta(2).deleted == Fids{9}));
  for (const std::uint64_t fid : {3, 1, 7}) CHECK((table.export_delta(1).fids == Fids{fid}));
  CHECK(table.num_touched() == 0);
}

void test_what_was_forgotten_has_lost_its_place_in_the_order() {
  Table table(options_of(1));
  for (const std::uint64_t fid : {1, 2, 3}) create(table, {fid});
  table.forget_touched();
  for (const std::uint64_t fid : {3, 2, 1}) table.apply_gradients(Fids{fid}, Floats{1}, 0.1F);
  for (const std::uint64_t fid : {3, 2, 1}) CHECK((table.export_delta(1).fids == Fids{fid}));
}

void test_an_imported_row_travels_if_its_delete_would_have() {
  Table table(options_of(1));
  create(table, {1, 2});
  table.forget_touched();
  table.erase(Fids{1});
  Rows rows;
  rows.fids = {1, 3};
  rows.slots = {1, 1};
  rows.vectors = {0.5F, 0.25F};
  table.import_rows(rows);  // as rows that are published already
  const Delta delta = table.export_delta(10);
  CHECK((delta.fids == Fids{1} && delta.vectors == Floats{0.5F} && delta.deleted.empty()));
}

void test_a_sighting_alone_touches_a_new_row_and_no_other() {
  Table table(options_of(1));
  create(table, {1});
  table.export_delta(10);
  table.acknowledge_delta();
  create(table, {1});
  CHECK(table.num_touched() == 0);
  table.sight(Fids{1}, Slots{1}, Times{0});  // a step that will learn
  CHECK((table.export_delta(10).fids == Fids{1}));
}

}  // namespace

int main() {
  test_changes_of_every_kind_are_exported_once();
  test_a_restored_delta_is_exported_again_in_its_present_state();
  test_several_exports_are_settled_together();
  test_a_row_created_anew_is_no_delete();
  test_a_replica_that_applies_every_delta_has_the_digest_of_its_trainer();
  test_rows_tell_what_is_touched_or_in_flight();
  test_forgetting_leaves_rows_that_can_be_touched_again();
  test_rows_go_in_the_order_of_their_first_touch();
  test_what_was_forgotten_has_lost_its_place_in_the_order();
  test_an_imported_row_travels_if_its_delete_would_have();
  test_a_sighting_alone_touches_a_new_row_and_no_other();
}
