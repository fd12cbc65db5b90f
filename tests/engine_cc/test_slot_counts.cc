// What became of the ids of each slot is counted by slot, adds up to the table's counters, and survives a checkpoint of any form.

#include <random>

#include "admission_streams.h"
#include "check.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

constexpr std::size_t kWordsOfOlderStates = 2 + 16 * 9;

TableOptions counted_options(std::uint64_t max_rows = 0) {
  TableOptions options = options_of(1);
  options.max_rows = max_rows;
  options.rules.set(2, counting(3));
  options.rules.set(3, {.ttl_s = 10});
  return options;
}

void test_each_end_is_counted_where_it_belongs() {
  Table table(counted_options());
  create(table, {1, 2, 3}, 100, 1);
  create(table, {4, 5, 5, 5}, 100, 2);  // 4 is turned away once; 5 has its row in this call
  create(table, {4}, 100, 2);
  create(table, {6, 7}, 100, 3);
  CHECK(table.expire(111, SIZE_MAX) == 2);
  const std::vector<SlotCount> expected = {{1, 3, 0, 0, 0}, {2, 1, 0, 0, 2}, {3, 2, 2, 0, 0}};
  CHECK(table.slot_counts() == expected);
}

/// Rows that came another way, and erased ones, are in no slot's count.
void test_only_what_was_sighted_is_admitted() {
  Table table(counted_options());
  table.assign(Fids{1}, Slots{1}, Floats{1});
  table.erase(Fids{1});
  CHECK(table.slot_counts().empty());
}

/// Of a random stream over three slots and a budget that evicts.
Table& learned(Table& table, std::uint32_t seed) {
  std::mt19937_64 random(seed);
  for (std::uint32_t round = 0; round < 60; ++round) {
    for (const std::uint16_t slot : {1, 2, 3}) {
      Fids fids;
      for (int i = 0; i < 200; ++i) fids.push_back(slot * 100'000 + random() % 700);
      create(table, fids, round, slot);
    }
    table.expire(round % 20 == 0 ? round + 9 : round, 3000);
  }
  return table;
}

void test_counts_of_slots_add_up_to_the_counters() {
  Table table(counted_options(900));
  learned(table, 1);
  SlotCount sum;
  for (const SlotCount& count : table.slot_counts()) {
    sum.num_admitted += count.num_admitted;
    sum.num_expired += count.num_expired;
    sum.num_over_budget += count.num_over_budget;
    sum.num_turned_away += count.num_turned_away;
  }
  const TableCounters counters = table.counters();
  CHECK(sum.num_admitted == counters.num_created && sum.num_expired == counters.num_expired);
  CHECK(sum.num_over_budget == counters.num_over_budget && sum.num_turned_away == counters.num_turned_away);
  CHECK(sum.num_expired > 0 && sum.num_over_budget > 0 && sum.num_turned_away > 0);
}

void test_they_survive_a_checkpoint() {
  Table table(counted_options(900));
  learned(table, 2);
  Table restored(counted_options(900));
  restored.import_rows(rows_of(picture_of(table)));
  restored.import_candidates(table.export_candidates());
  restored.import_state(table.export_state());
  CHECK(restored.slot_counts() == table.slot_counts() && restored.export_state() == table.export_state());
  CHECK(learned(restored, 3).slot_counts() == learned(table, 3).slot_counts());
}

void test_a_state_of_before_there_were_such_counts_is_read() {
  Table table(counted_options());
  learned(table, 4);
  std::vector<std::uint64_t> words = table.export_state();
  words.resize(kWordsOfOlderStates);
  Table restored(counted_options());
  create(restored, {1}, 1, 1);
  restored.import_state(words);
  CHECK(restored.slot_counts().empty());
  CHECK(restored.counters().num_turned_away == table.counters().num_turned_away);
}

void test_words_of_another_form_are_refused_and_change_nothing() {
  Table table(counted_options());
  learned(table, 5);
  const std::vector<std::uint64_t> words = table.export_state();
  const auto refuses = [&](auto spoil) {
    std::vector<std::uint64_t> spoilt = words;
    spoil(spoilt);
    CHECK_THROWS(table.import_state(spoilt), std::invalid_argument);
    CHECK(table.export_state() == words);
  };
  refuses([](auto& state) { state.pop_back(); });
  refuses([](auto& state) { state.push_back(0); });
  refuses([](auto& state) { state.resize(kWordsOfOlderStates + 1); });
  refuses([](auto& state) { state[kWordsOfOlderStates] = 2; });               // a form to come
  refuses([](auto& state) { state[kWordsOfOlderStates + 1] = UINT64_MAX; });  // slots
  refuses([](auto& state) { state[kWordsOfOlderStates + 2] = 65'536; });      // the number of the first
}

}  // namespace

int main() {
  test_each_end_is_counted_where_it_belongs();
  test_only_what_was_sighted_is_admitted();
  test_counts_of_slots_add_up_to_the_counters();
  test_they_survive_a_checkpoint();
  test_a_state_of_before_there_were_such_counts_is_read();
  test_words_of_another_form_are_refused_and_change_nothing();
}
