// A row goes when it was unseen for longer than its slot allows, by the clock it is given, and its going travels.

#include <cmath>

#include "check.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

constexpr std::uint32_t kYear_s = 31'536'000;

TableOptions expiring_options() {
  TableOptions options = options_of(2);
  options.rules.set(1, {.ttl_s = 10});
  options.rules.set(2, {.ttl_s = 100});
  options.rules.set(3, {.ttl_s = 5 * kYear_s});
  return options;  // slot 0: never
}

std::size_t expire_all(Table& table, std::uint32_t now_s) { return table.expire(now_s, SIZE_MAX); }

void test_each_slot_has_its_own_time_to_live() {
  Table table(expiring_options());
  for (const std::uint16_t slot : {0, 1, 2, 3}) create(table, {std::uint64_t{slot} + 10}, 1000, slot);
  CHECK(expire_all(table, 1010) == 0);  // ten seconds ago is not longer than ten seconds
  CHECK(expire_all(table, 1011) == 1 && !is_present(table, 11));
  CHECK(expire_all(table, 1100) == 0);
  CHECK(expire_all(table, 1101) == 1 && !is_present(table, 12));
  CHECK(expire_all(table, 1000 + 5 * kYear_s) == 0);
  CHECK(expire_all(table, 1001 + 5 * kYear_s) == 1 && !is_present(table, 13));
  CHECK(expire_all(table, UINT32_MAX) == 0 && is_present(table, 10));
  const TableCounters counters = table.counters();
  CHECK(counters.num_expired == 3 && counters.num_erased == 0 && counters.num_over_budget == 0);
  CHECK(counters.num_created == 4 && table.size() == 1);
  CHECK(table.digest() == table.computed_digest());
}

void test_the_latest_sighting_counts_and_an_older_one_does_not() {
  Table table(expiring_options());
  create(table, {1, 2}, 1000);
  create(table, {1}, 1008);
  create(table, {1}, 900);                      // late
  const Floats looked_at = lookup(table, {2});  // no sighting
  table.apply_gradients(Fids{2}, Floats{1, 1}, 0.1F);
  CHECK(picture_of(table).at(1).seen_at_s == 1008);
  CHECK(expire_all(table, 1015) == 1);
  CHECK(is_present(table, 1) && !is_present(table, 2));
  CHECK(expire_all(table, 1019) == 1);
}

void test_a_row_of_the_future_stays_and_a_clock_that_goes_back_takes_nothing() {
  Table table(expiring_options());
  create(table, {1}, 5000);
  create(table, {2}, UINT32_MAX - 1);
  create(table, {3}, UINT32_MAX - 5);  // stamp and time to live together are above 32 bits
  CHECK(expire_all(table, 0) == 0 && expire_all(table, 4000) == 0 && expire_all(table, 5000) == 0);
  CHECK(expire_all(table, 6000) == 1);
  CHECK(expire_all(table, UINT32_MAX) == 0);
  CHECK(table.size() == 2);
}

Fids sight_at_random_times(Table& table, std::uint64_t num) {
  const Fids fids = mixed_fids(0, num);
  for (std::size_t i = 0; i < fids.size(); ++i) {
    create(table, {fids[i]}, 1000 + static_cast<std::uint32_t>(fids[i] % 100), fids[i] % 4);
  }
  return fids;
}

void test_a_sweep_takes_exactly_what_has_passed() {
  Table table(expiring_options());
  sight_at_random_times(table, 20'000);
  const Picture before = picture_of(table);
  CHECK(expire_all(table, 1080) > 1000);
  const Picture after = picture_of(table);
  std::size_t num_expected = 0;
  for (const auto& [fid, row] : before) {
    const bool goes = row.slot == 1 && row.seen_at_s + 10 < 1080;
    num_expected += goes ? 0 : 1;
    CHECK(after.count(fid) == (goes ? 0 : 1));
  }
  CHECK(after.size() == num_expected);
}

void test_a_sweep_in_pieces_is_one_sweep() {
  for (const std::size_t piece : {1, 700, 3000}) {
    Table whole(expiring_options());
    Table pieces(expiring_options());
    const std::size_t num = sight_at_random_times(whole, 20'000).size();
    sight_at_random_times(pieces, 20'000);
    const std::size_t num_expired = expire_all(whole, 1090);
    std::size_t num_in_pieces = 0;
    for (std::size_t seen = 0; num_in_pieces < num_expired && seen < 4 * num; seen += piece) {
      num_in_pieces += pieces.expire(1090, piece);
    }
    CHECK(num_in_pieces == num_expired && pieces.counters().num_expired == num_expired);
    CHECK(picture_of(whole) == picture_of(pieces));
    CHECK(whole.pending_deletes() == pieces.pending_deletes());
    CHECK(whole.digest() == pieces.digest());
  }
}

void test_a_piece_looks_at_little_more_than_was_asked() {
  Table table(expiring_options());
  for (std::uint64_t start = 0; start < 100'000; start += 10'000)
    create(table, mixed_fids(start, 10'000), 1000);
  const std::size_t num = table.expire(2000, 1000);
  CHECK(num >= 1000 && num < 1000 + 4096);
}

void test_what_went_is_a_delete_in_the_next_delta() {
  Table table(expiring_options());
  ServingTable replica(2, Precision::kFloat32, 4);
  const Fids fids = mixed_fids(0, 500);
  create(table, fids, 1000);
  create(table, {1, 2, 3}, 1000, 2);
  apply(replica, table.export_delta(SIZE_MAX));
  table.acknowledge_delta();
  CHECK(expire_all(table, 1050) == 500);
  CHECK(table.num_touched() == 500 && table.pending_deletes() == sorted(fids));
  const Delta delta = table.export_delta(SIZE_MAX);
  CHECK(sorted(delta.deleted) == sorted(fids) && delta.fids.empty());
  apply(replica, delta);
  CHECK(replica.size() == 3 && replica.digest() == table.digest());
}

void test_a_row_that_comes_back_begins_anew_and_is_no_delete() {
  Table table(expiring_options());
  const Floats first = create(table, {1}, 1000);
  table.apply_gradients(Fids{1}, Floats{1, 1}, 0.1F);
  expire_all(table, 2000);
  CHECK(create(table, {1}, 2000) == first);
  CHECK(picture_of(table).at(1).count == 1);
  const Delta delta = table.export_delta(10);
  CHECK((delta.fids == Fids{1} && delta.deleted.empty()));
}

void test_where_a_sweep_stopped_survives_a_checkpoint() {
  Table table(expiring_options());
  sight_at_random_times(table, 20'000);
  table.expire(1060, 5000);
  Table restored(expiring_options());
  restored.import_rows(rows_of(picture_of(table)));
  restored.import_state(table.export_state());
  CHECK(restored.counters().num_expired == table.counters().num_expired);
  for (int i = 0; i < 10; ++i) CHECK(table.expire(1090, 2500) == restored.expire(1090, 2500));
  CHECK(picture_of(table) == picture_of(restored));
}

}  // namespace

int main() {
  test_each_slot_has_its_own_time_to_live();
  test_the_latest_sighting_counts_and_an_older_one_does_not();
  test_a_row_of_the_future_stays_and_a_clock_that_goes_back_takes_nothing();
  test_a_sweep_takes_exactly_what_has_passed();
  test_a_sweep_in_pieces_is_one_sweep();
  test_a_piece_looks_at_little_more_than_was_asked();
  test_what_went_is_a_delete_in_the_next_delta();
  test_a_row_that_comes_back_begins_anew_and_is_no_delete();
  test_where_a_sweep_stopped_survives_a_checkpoint();
}
