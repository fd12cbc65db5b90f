// A full ledger drops what is worth least, says how often, and stays valid whichever allocation fails.

#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>

#include "admission_streams.h"
#include "check.h"
#include "failing_allocations.h"
#include "freshet/admission.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

/// Whatever the order of the hashes, in which four are all looked at.
void check_what_a_full_ledger_drops(std::uint64_t salt) {
  SlotRules rules = one_rule(counting(100));
  rules.set(2, counting(100, 10));
  AdmissionLedger ledger(1, 4, salt);
  ledger.sight(1, 1, rules, 5, 10, 0);
  ledger.sight(2, 1, rules, 2, 30, 0);
  ledger.sight(3, 1, rules, 2, 20, 0);
  ledger.sight(4, 2, rules, 3, 25, 0);
  CHECK(!ledger.sight(5, 1, rules, 1, 30, 0));  // 3 goes: lowest count, oldest
  CHECK(!ledger.forget(3) && ledger.num_candidates() == 4 && ledger.num_dropped() == 1);
  CHECK(!ledger.sight(6, 1, rules, 9, 30, 0));  // 5 goes, with a count of 1
  CHECK(!ledger.forget(5) && ledger.num_dropped() == 2);
  CHECK(!ledger.sight(7, 1, rules, 9, 35, 0));  // 4 goes: its 3 are worth 1 by now
  CHECK(!ledger.forget(4) && ledger.num_dropped() == 3);
  CHECK(!ledger.sight(2, 1, rules, 1, 35, 0));  // a candidate needs no room
  CHECK(ledger.num_dropped() == 3 && ledger.num_candidates() == 4);
}

void test_a_full_ledger_drops_the_lowest_count_and_of_several_the_oldest() {
  for (std::uint64_t salt = 0; salt < 20; ++salt) check_what_a_full_ledger_drops(salt);
}

void test_a_full_ledger_first_forgets_what_has_decayed() {
  SlotRules rules = one_rule(counting(100));
  rules.set(2, counting(100, 10));
  AdmissionLedger ledger(1, 3, 2);
  ledger.sight(1, 1, rules, 1, 0, 0);
  ledger.sight(2, 2, rules, 3, 10, 0);
  ledger.sight(3, 2, rules, 3, 10, 0);
  CHECK(!ledger.sight(4, 1, rules, 1, 30, 0));  // two windows: nothing is left of 2 and 3
  CHECK(ledger.num_dropped() == 0 && ledger.num_decayed() == 2 && ledger.num_candidates() == 2);
  CHECK(ledger.forget(1) && ledger.forget(4));
}

void test_each_look_begins_where_the_last_one_ended() {
  const SlotRules rules = one_rule(counting(100));
  AdmissionLedger ledger(1, 320, 2);
  for (std::uint64_t fid = 0; fid < 320; ++fid) ledger.sight(fid, 1, rules, 1, 0, 0);
  const Candidates before = exported(ledger);
  for (std::uint64_t fid = 1000; fid < 1018; ++fid) ledger.sight(fid, 1, rules, 50, 0, 0);
  CHECK(ledger.num_dropped() == 18);
  // All are worth the same, so that each look drops the first of its 16, among which a few of the new ones are.
  std::size_t num_kept = AdmissionLedger::kExamined;
  for (const std::uint64_t fid : before.fids) {
    const bool kept = ledger.forget(fid);
    CHECK(kept || num_kept > AdmissionLedger::kExamined / 2);
    num_kept = kept ? num_kept + 1 : 0;
  }
}

void test_what_is_dropped_is_bounded_and_accounted_for() {
  const SlotRules rules = mixed_rules();
  AdmissionLedger ledger(1, 500, 2);
  Stream stream(5);
  std::uint64_t num_begun = 0;
  std::uint64_t num_ended = 0;
  stream.run(
      300'000, 20'000, [&](std::uint64_t fid, std::uint16_t slot, std::uint32_t num, std::uint32_t now_s) {
        const std::uint64_t held = ledger.num_candidates() + ledger.num_dropped() + ledger.num_decayed();
        const bool admitted = ledger.sight(fid, slot, rules, num, now_s, 0);
        const std::uint64_t holds = ledger.num_candidates() + ledger.num_dropped() + ledger.num_decayed();
        num_begun += holds > held ? 1 : 0;
        num_ended += holds < held ? 1 : 0;
        CHECK(admitted || holds >= held);
        CHECK(ledger.num_candidates() <= 500);
      });
  CHECK(ledger.num_dropped() > 1000);
  CHECK(num_begun - num_ended == ledger.num_candidates() + ledger.num_dropped() + ledger.num_decayed());
  CHECK(ledger.memory_bytes() < 500 * 60);
}

void test_an_id_that_keeps_coming_gets_through_a_flood() {
  const SlotRules rules = one_rule(counting(50));
  AdmissionLedger ledger(1, 1000, 2);
  std::uint64_t stranger = 1000;
  int num_sightings = 0;
  for (bool admitted = false; !admitted; ++num_sightings) {
    admitted = ledger.sight(7, 1, rules, 1, 0, 0);
    for (int i = 0; i < 20; ++i) ledger.sight(++stranger, 1, rules, 1, 0, 0);
  }
  CHECK(num_sightings == 50);
  CHECK(ledger.num_dropped() == 0);  // 50 * 20 strangers and it fill the ledger just now
  for (int i = 0; i < 5000; ++i) ledger.sight(++stranger, 1, rules, 1, 0, 0);
  for (bool admitted = false; !admitted; ++num_sightings) {
    admitted = ledger.sight(7, 1, rules, 1, 0, 0);
    for (int i = 0; i < 20; ++i) ledger.sight(++stranger, 1, rules, 1, 0, 0);
  }
  CHECK(num_sightings == 100);
  CHECK(ledger.num_dropped() > 5000);
}

void test_a_full_ledger_goes_on_after_a_checkpoint_as_if_there_had_been_none() {
  const SlotRules rules = mixed_rules();
  AdmissionLedger ledger(1, 300, 2);
  Stream stream(6);
  const auto see = [&](std::uint64_t fid, std::uint16_t slot, std::uint32_t num, std::uint32_t now_s) {
    ledger.sight(fid, slot, rules, num, now_s, 0);
  };
  stream.run(50'000, 5000, see);
  CHECK(ledger.num_dropped() > 0);
  AdmissionLedger restored(1, 300, 2);
  restore_backwards(restored, ledger, rules);
  CHECK(same(exported(restored), exported(ledger)) && restored.progress() == ledger.progress());
  std::size_t num_seen = 0;
  stream.run(50'000, 5000,
             [&](std::uint64_t fid, std::uint16_t slot, std::uint32_t num, std::uint32_t now_s) {
               CHECK(restored.sight(fid, slot, rules, num, now_s, 0) ==
                     ledger.sight(fid, slot, rules, num, now_s, 0));
               if (++num_seen % 100 == 0)
                 CHECK(restored.sweep(rules, now_s, 17) == ledger.sweep(rules, now_s, 17));
             });
  CHECK(same(exported(restored), exported(ledger)) && restored.progress() == ledger.progress());
}

void test_a_smaller_ledger_takes_what_it_can_and_counts_the_rest() {
  const SlotRules rules = one_rule(counting(100));
  AdmissionLedger ledger(1, 1000, 2);
  for (std::uint64_t fid = 0; fid < 1000; ++fid)
    ledger.sight(fid, 1, rules, static_cast<std::uint32_t>(1 + fid % 50), 0, 0);
  AdmissionLedger smaller(1, 100, 2);
  restore_backwards(smaller, ledger, rules);
  CHECK(smaller.num_candidates() == 100);
  const AdmissionLedger untouched(1, 100, 2);
  AdmissionLedger counted(1, 100, 2);
  const Candidates all = exported(ledger);
  for (std::size_t i = 0; i < all.fids.size(); ++i) {
    counted.restore(all.fids[i], all.slots[i], all.counts[i], all.since_s[i], rules);
  }
  CHECK(counted.num_candidates() == 100 && counted.num_dropped() == 900);
  counted.restore(all.fids[0], 1, 0, 0, rules);  // a count of 0 is no candidate
  CHECK(counted.num_dropped() == 900);
  counted.clear();
  CHECK(counted.num_candidates() == 0 && counted.memory_bytes() == untouched.memory_bytes());
}

void test_a_ledger_without_room_is_refused() {
  CHECK_THROWS(AdmissionLedger(1, 0, 1), std::invalid_argument);
}

/// Sightings of both ledgers; `sure` never runs out of memory, and must be where `ledger` is when that throws.
void live(AdmissionLedger& ledger, AdmissionLedger& sure, const SlotRules& rules, std::uint64_t seed) {
  Stream stream(seed);
  stream.run(4000, 3000, [&](std::uint64_t fid, std::uint16_t slot, std::uint32_t num, std::uint32_t now_s) {
    const bool admitted = ledger.sight(fid, slot, rules, num, now_s, 0);
    const Reprieve of_the_other;
    CHECK(sure.sight(fid, slot, rules, num, now_s, 0) == admitted);
  });
}

void test_whichever_allocation_fails_no_count_is_lost() {
  const SlotRules rules = mixed_rules();
  std::size_t num_failures = 0;
  for (long at = 0;; ++at) {
    AdmissionLedger ledger(1, kRoomy, 2);
    AdmissionLedger sure(1, kRoomy, 2);
    bool failed = false;
    allocations_until_failure = at;
    try {
      live(ledger, sure, rules, 8);
    } catch (const std::bad_alloc&) {
      failed = true;
      ++num_failures;
    }
    allocations_until_failure = kNever;
    CHECK(same(exported(ledger), exported(sure)) && ledger.progress() == sure.progress());
    live(ledger, sure, rules, 9);
    CHECK(same(exported(ledger), exported(sure)));
    if (!failed) break;
  }
  CHECK(num_failures > 8);
}

void test_an_export_that_finds_no_memory_appends_nothing() {
  const SlotRules rules = one_rule(counting(100));
  AdmissionLedger ledger(1, kRoomy, 2);
  for (std::uint64_t fid = 0; fid < 100; ++fid) ledger.sight(fid, 1, rules, 1, 0, 0);
  for (long at = 0; at < 4; ++at) {
    Candidates out;
    allocations_until_failure = at;
    CHECK_THROWS(ledger.export_to(out), std::bad_alloc);
    allocations_until_failure = kNever;
    CHECK(out.fids.empty() && out.slots.empty() && out.counts.empty() && out.since_s.empty());
  }
}

}  // namespace

int main() {
  test_a_full_ledger_drops_the_lowest_count_and_of_several_the_oldest();
  test_a_full_ledger_first_forgets_what_has_decayed();
  test_each_look_begins_where_the_last_one_ended();
  test_what_is_dropped_is_bounded_and_accounted_for();
  test_an_id_that_keeps_coming_gets_through_a_flood();
  test_a_full_ledger_goes_on_after_a_checkpoint_as_if_there_had_been_none();
  test_a_smaller_ledger_takes_what_it_can_and_counts_the_rest();
  test_a_ledger_without_room_is_refused();
  test_whichever_allocation_fails_no_count_is_lost();
  test_an_export_that_finds_no_memory_appends_nothing();
}
