// A FID earns its row on exactly its N-th sighting, within a window; a probability is met and repeats.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "admission_streams.h"
#include "check.h"
#include "freshet/admission.h"
#include "freshet/slot_rules.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

constexpr std::uint32_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();

void test_an_id_is_admitted_on_exactly_its_nth_sighting() {
  for (const std::uint32_t threshold : {1U, 2U, 15U, 16U, 17U, 1'000'000U}) {
    const SlotRules rules = one_rule(counting(threshold));
    AdmissionLedger ledger(1, kRoomy, 2);
    for (std::uint32_t i = 1; i < threshold; ++i) CHECK(!ledger.sight(9, 1, rules, 1, i, i));
    CHECK(ledger.num_candidates() == (threshold == 1 ? 0 : 1));
    CHECK(ledger.sight(9, 1, rules, 1, 5, 5));
    CHECK(ledger.num_candidates() == 0);
    CHECK(ledger.sight(9, 1, rules, 1, 5, 5) == (threshold == 1));  // it was forgotten: it begins anew
  }
}

void test_sightings_of_one_call_are_added_up() {
  const SlotRules rules = one_rule(counting(10));
  AdmissionLedger ledger(1, kRoomy, 2);
  CHECK(ledger.sight(1, 1, rules, 10, 0, 0));
  CHECK(!ledger.sight(2, 1, rules, 9, 0, 0) && ledger.sight(2, 1, rules, 1, 0, 0));
  CHECK(!ledger.sight(3, 1, rules, 4, 0, 0) && ledger.sight(3, 1, rules, kMaxU32, 0, 0));
  CHECK(!ledger.sight(4, 1, rules, 0, 0, 0) && ledger.num_candidates() == 0);
}

void test_the_greatest_threshold_neither_saturates_nor_wraps() {
  const SlotRules rules = one_rule(counting(kMaxU32));
  AdmissionLedger ledger(1, kRoomy, 2);
  CHECK(!ledger.sight(1, 1, rules, kMaxU32 - 2, 0, 0));
  CHECK(!ledger.sight(1, 1, rules, 1, 0, 0));
  CHECK(exported(ledger).counts[0] == kMaxU32 - 1);
  CHECK(ledger.sight(1, 1, rules, 1, 0, 0));
  CHECK(!ledger.sight(1, 1, rules, kMaxU32 - 1, 0, 0));
  CHECK(ledger.sight(1, 1, rules, kMaxU32, 0, 0));
}

void test_an_always_slot_admits_at_once_and_without_memory() {
  AdmissionLedger ledger(1, 1, 2);
  for (std::uint64_t fid = 0; fid < 100; ++fid) CHECK(ledger.sight(fid, 1, SlotRules(), 1, 0, 0));
  CHECK(ledger.num_candidates() == 0 && ledger.num_dropped() == 0);
}

/// What the ledger knows of its one candidate.
void check_only_candidate(const AdmissionLedger& ledger, std::uint32_t count, std::uint32_t since_s) {
  const Candidates all = exported(ledger);
  CHECK(all.fids.size() == 1 && all.counts[0] == count && all.since_s[0] == since_s && all.slots[0] == 1);
}

void test_sightings_within_one_window_of_the_first_admit() {
  const SlotRules rules = one_rule(counting(4, 10));
  AdmissionLedger ledger(1, kRoomy, 2);
  CHECK(!ledger.sight(5, 1, rules, 1, 100, 0));
  CHECK(!ledger.sight(5, 1, rules, 2, 105, 0));
  CHECK(ledger.sight(5, 1, rules, 1, 109, 0));
}

void test_a_count_is_halved_for_each_whole_window() {
  const SlotRules rules = one_rule(counting(100, 10));
  AdmissionLedger ledger(1, kRoomy, 2);
  ledger.sight(5, 1, rules, 13, 100, 0);
  ledger.sight(5, 1, rules, 1, 109, 0);
  check_only_candidate(ledger, 14, 100);
  ledger.sight(5, 1, rules, 1, 110, 0);  // one window: 14 / 2 + 1
  check_only_candidate(ledger, 8, 110);
  ledger.sight(5, 1, rules, 1, 137, 0);  // two windows, and 7 s of the third: 8 / 4 + 1
  check_only_candidate(ledger, 3, 130);
  ledger.sight(5, 1, rules, 1, 142, 0);  // 3 / 2 rounds down
  check_only_candidate(ledger, 2, 140);
  CHECK(ledger.num_decayed() == 0);
  ledger.sight(5, 1, rules, 3, 165, 0);  // 2 / 4 is nothing: it begins anew, at its own time
  check_only_candidate(ledger, 3, 165);
  CHECK(ledger.num_decayed() == 1);
}

void test_a_long_silence_forgets_any_count() {
  const SlotRules rules = one_rule(counting(kMaxU32, 1));
  for (const std::uint32_t silence_s : {31U, 32U, 33U, 64U, 1U << 31, kMaxU32}) {
    AdmissionLedger ledger(1, kRoomy, 2);
    ledger.sight(5, 1, rules, 1U << 31, 0, 0);
    ledger.sight(5, 1, rules, 1, silence_s, 0);
    check_only_candidate(ledger, silence_s == 31 ? 2 : 1, silence_s);
  }
}

void test_late_events_count_and_decay_nothing() {
  const SlotRules rules = one_rule(counting(5, 10));
  AdmissionLedger ledger(1, kRoomy, 2);
  ledger.sight(5, 1, rules, 2, 100, 0);
  ledger.sight(5, 1, rules, 1, 3, 0);
  check_only_candidate(ledger, 3, 100);
  ledger.sight(5, 1, rules, 1, 0, 0);
  check_only_candidate(ledger, 4, 100);
  CHECK(ledger.sight(5, 1, rules, 1, 99, 0));
}

void test_without_a_window_counts_are_kept_for_ever() {
  const SlotRules rules = one_rule(counting(3));
  AdmissionLedger ledger(1, kRoomy, 2);
  ledger.sight(5, 1, rules, 2, 0, 0);
  CHECK(ledger.sweep(rules, kMaxU32, 100) == 0);
  CHECK(ledger.sight(5, 1, rules, 1, kMaxU32, 0));
}

void test_a_changed_rule_holds_from_the_next_sighting_on() {
  SlotRules rules = one_rule(counting(10));
  AdmissionLedger ledger(1, kRoomy, 2);
  for (std::uint64_t fid = 0; fid < 4; ++fid) ledger.sight(fid, 1, rules, 5, 0, 0);
  rules.set(1, counting(4));
  CHECK(ledger.sight(0, 1, rules, 1, 0, 0));
  rules.set(1, counting(1));
  CHECK(ledger.sight(1, 1, rules, 1, 0, 0));
  rules.set(1, SlotRule{});
  CHECK(ledger.sight(2, 1, rules, 1, 0, 0));
  CHECK(ledger.num_candidates() == 1);
  CHECK(ledger.sweep(rules, 0, 100) == 1);  // counted by no rule any more
}

void test_a_row_made_in_another_way_ends_the_counting() {
  const SlotRules rules = one_rule(counting(3));
  AdmissionLedger ledger(1, kRoomy, 2);
  ledger.sight(5, 1, rules, 2, 0, 0);
  CHECK(ledger.forget(5) && !ledger.forget(5));
  CHECK(!ledger.sight(5, 1, rules, 2, 0, 0));
}

void test_a_sweep_forgets_what_has_decayed_and_nothing_else() {
  SlotRules rules = one_rule(counting(100, 10));
  rules.set(2, counting(100));
  AdmissionLedger ledger(1, kRoomy, 2);
  for (std::uint64_t fid = 0; fid < 100; ++fid) ledger.sight(fid, 1, rules, 1, 50, 0);
  for (std::uint64_t fid = 100; fid < 200; ++fid) ledger.sight(fid, 1, rules, 2, 50, 0);
  for (std::uint64_t fid = 200; fid < 300; ++fid) ledger.sight(fid, 2, rules, 1, 0, 0);
  CHECK(ledger.sweep(rules, 59, kRoomy) == 0);
  std::size_t num_forgotten = 0;
  for (int i = 0; i < 30; ++i) num_forgotten += ledger.sweep(rules, 60, 10);  // 30 * 10 are all of them
  CHECK(num_forgotten == 100 && ledger.num_decayed() == 100);
  CHECK(ledger.sweep(rules, 69, kRoomy) == 0);
  CHECK(ledger.sweep(rules, 70, kRoomy) == 100);
  CHECK(ledger.num_candidates() == 100 && ledger.num_dropped() == 0);
  for (const std::uint16_t slot : exported(ledger).slots) CHECK(slot == 2);
}

void test_a_probability_is_met_in_the_mean() {
  constexpr std::uint32_t kFids = 200'000;
  for (const double probability : {0.001, 0.25, 0.9}) {
    const SlotRules rules = one_rule(drawing(probability));
    for (const std::uint32_t num_sightings : {1U, 3U}) {
      AdmissionLedger ledger(1, kRoomy, 2);
      double num_admitted = 0;
      for (std::uint64_t fid = 0; fid < kFids; ++fid) {
        num_admitted += ledger.sight(fid, 1, rules, num_sightings, 0, fid / 7) ? 1 : 0;
      }
      const double expected = 1 - std::pow(1 - probability, num_sightings);
      const double deviation = std::sqrt(expected * (1 - expected) / kFids);
      CHECK(std::abs(num_admitted / kFids - expected) < 4 * deviation);
      CHECK(ledger.num_candidates() == 0);
    }
  }
  AdmissionLedger ledger(1, kRoomy, 2);
  for (std::uint64_t fid = 0; fid < 1000; ++fid) CHECK(ledger.sight(fid, 1, one_rule(drawing(1)), 1, 0, fid));
}

/// Which of the FIDs 0 .. 63 are admitted, as bits.
std::uint64_t admitted_of_64(std::uint64_t seed, std::uint64_t salt, std::uint64_t draw, const SlotRule& rule,
                             std::uint32_t num_sightings) {
  AdmissionLedger ledger(seed, kRoomy, salt);
  const SlotRules rules = one_rule(rule);
  std::uint64_t bits = 0;
  for (std::uint64_t fid = 64; fid-- > 0;) {
    bits |= std::uint64_t{ledger.sight(fid, 1, rules, num_sightings, 0, draw)} << fid;
  }
  return bits;
}

void test_a_draw_is_a_fixed_function_of_seed_fid_and_place() {
  // Computed apart, from the formula.
  CHECK(admitted_of_64(7, 1, 0, drawing(0.5), 1) == 0x39E8E559D4F1522AULL);
  CHECK(admitted_of_64(7, 2, 0, drawing(0.5), 1) == 0x39E8E559D4F1522AULL);
  CHECK(admitted_of_64(7, 1, 1, drawing(0.5), 1) == 0x25AB827D5E1A6767ULL);
  CHECK(admitted_of_64(7, 1, 0, drawing(0.25), 3) == 0x6F4BF18BFCFB5727ULL);
  CHECK(admitted_of_64(8, 1, 0, drawing(0.5), 1) != admitted_of_64(7, 1, 0, drawing(0.5), 1));
}

/// The rules of admission once more, as a map and loops.
class ReferenceLedger {
 public:
  bool sight(std::uint64_t fid, std::uint16_t slot, const SlotRules& rules, std::uint32_t num,
             std::uint32_t now_s) {
    const SlotRule& rule = rules.of(slot);
    if (rule.admission == AdmissionKind::kAlways) return true;
    auto found = entries_.find(fid);
    if (found != entries_.end() && decayed(found->second, rule, now_s).count == 0) {
      entries_.erase(found);
      found = entries_.end();
    }
    if (found == entries_.end()) found = entries_.emplace(fid, Entry{0, now_s, slot}).first;
    found->second = decayed(found->second, rule, now_s);
    found->second.count += num;
    if (found->second.count < rule.min_count) return false;
    entries_.erase(found);
    return true;
  }

  std::size_t sweep(const SlotRules& rules, std::uint32_t now_s) {
    return std::erase_if(entries_, [&](const auto& item) {
      return decayed(item.second, rules.of(item.second.slot), now_s).count == 0;
    });
  }

  void check_same(const AdmissionLedger& ledger) const {
    const Candidates all = exported(ledger);
    CHECK(all.fids.size() == entries_.size() && ledger.num_candidates() == entries_.size());
    for (std::size_t i = 0; i < all.fids.size(); ++i) {
      const Entry& entry = entries_.at(all.fids[i]);
      CHECK(entry.count == all.counts[i] && entry.since_s == all.since_s[i] && entry.slot == all.slots[i]);
    }
  }

 private:
  struct Entry {
    std::uint64_t count;
    std::int64_t since_s;
    std::uint16_t slot;
  };

  static Entry decayed(Entry entry, const SlotRule& rule, std::int64_t now_s) {
    while (rule.window_s != 0 && now_s - entry.since_s >= rule.window_s) {
      entry.count /= 2;
      entry.since_s += rule.window_s;
    }
    return entry;
  }

  std::unordered_map<std::uint64_t, Entry> entries_;
};

void test_long_random_sequences_decide_as_the_reference() {
  const SlotRules rules = mixed_rules();
  for (const std::uint64_t num_fids : {40ULL, 3000ULL, 200'000ULL}) {
    AdmissionLedger ledger(1, kRoomy, num_fids);
    ReferenceLedger reference;
    Stream stream(num_fids);
    std::size_t num_seen = 0;
    stream.run(600'000, num_fids,
               [&](std::uint64_t fid, std::uint16_t slot, std::uint32_t num, std::uint32_t now_s) {
                 CHECK(ledger.sight(fid, slot, rules, num, now_s, 0) ==
                       reference.sight(fid, slot, rules, num, now_s));
                 if (++num_seen % 20'011 == 0)
                   CHECK(ledger.sweep(rules, now_s, SIZE_MAX) == reference.sweep(rules, now_s));
               });
    reference.check_same(ledger);
    CHECK(ledger.num_dropped() == 0);
  }
}

void test_counts_survive_a_checkpoint_under_another_salt() {
  const SlotRules rules = mixed_rules();
  AdmissionLedger ledger(1, kRoomy, 10);
  ReferenceLedger reference;
  Stream stream(3);
  stream.run(
      100'000, 2000, [&](std::uint64_t fid, std::uint16_t slot, std::uint32_t num, std::uint32_t now_s) {
        CHECK(ledger.sight(fid, slot, rules, num, now_s, 0) == reference.sight(fid, slot, rules, num, now_s));
      });
  AdmissionLedger restored(1, kRoomy, 11);
  restore_backwards(restored, ledger, rules);
  reference.check_same(restored);
  CHECK(restored.progress() == ledger.progress());
  stream.run(100'000, 2000,
             [&](std::uint64_t fid, std::uint16_t slot, std::uint32_t num, std::uint32_t now_s) {
               CHECK(restored.sight(fid, slot, rules, num, now_s, 0) ==
                     reference.sight(fid, slot, rules, num, now_s));
             });
  reference.check_same(restored);
}

void test_exports_of_several_stripes_follow_each_other() {
  const SlotRules rules = one_rule(counting(100));
  AdmissionLedger one(1, kRoomy, 2);
  AdmissionLedger two(1, kRoomy, 3);
  one.sight(1, 1, rules, 7, 70, 0);
  two.sight(2, 1, rules, 8, 80, 0);
  Candidates both;
  one.export_to(both);
  two.export_to(both);
  CHECK((both.fids == std::vector<std::uint64_t>{1, 2} && both.slots == std::vector<std::uint16_t>{1, 1}));
  CHECK((both.counts == std::vector<std::uint32_t>{7, 8} &&
         both.since_s == std::vector<std::uint32_t>{70, 80}));
}

}  // namespace

int main() {
  test_an_id_is_admitted_on_exactly_its_nth_sighting();
  test_sightings_of_one_call_are_added_up();
  test_the_greatest_threshold_neither_saturates_nor_wraps();
  test_an_always_slot_admits_at_once_and_without_memory();
  test_sightings_within_one_window_of_the_first_admit();
  test_a_count_is_halved_for_each_whole_window();
  test_a_long_silence_forgets_any_count();
  test_late_events_count_and_decay_nothing();
  test_without_a_window_counts_are_kept_for_ever();
  test_a_changed_rule_holds_from_the_next_sighting_on();
  test_a_row_made_in_another_way_ends_the_counting();
  test_a_sweep_forgets_what_has_decayed_and_nothing_else();
  test_a_probability_is_met_in_the_mean();
  test_a_draw_is_a_fixed_function_of_seed_fid_and_place();
  test_long_random_sequences_decide_as_the_reference();
  test_counts_survive_a_checkpoint_under_another_salt();
  test_exports_of_several_stripes_follow_each_other();
}
