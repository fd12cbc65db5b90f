// Bad input changes nothing and says which field, which rule and what was received.

#include <limits>
#include <stdexcept>
#include <string>

#include "check.h"
#include "freshet/checkpoint.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

template <typename Call>
void check_refused(Call call, const std::string& field) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    CHECK(std::string(error.what()).find(field) != std::string::npos);
    CHECK(std::string(error.what()).find("received") != std::string::npos);
    return;
  }
  CHECK(!"an invalid argument was accepted");
}

void test_sizes_that_disagree_are_refused_before_anything_changes() {
  Table table(options_of(2));
  const Fids fids = {1, 2};
  const Slots slots = slots_for(fids);
  Floats out(4);
  Floats wrong(3);
  bool present[1];
  check_refused([&] { table.lookup(fids, wrong); }, "out");
  check_refused([&] { table.contains(fids, present); }, "out");
  check_refused([&] { table.lookup_or_create(fids, slots_for({1}), Times{0}, out); }, "slots");
  check_refused([&] { table.lookup_or_create(fids, slots, Times{0, 0, 0}, out); }, "seen_at_s");
  check_refused([&] { table.lookup_or_create(fids, slots, Times{}, out); }, "seen_at_s");
  check_refused([&] { table.lookup_or_create(fids, slots, Times{0}, wrong); }, "out");
  check_refused([&] { table.sight(fids, slots_for({1}), Times{0}); }, "slots");
  check_refused([&] { table.apply_gradients(fids, wrong, 0.1F); }, "grads");
  check_refused([&] { table.assign(fids, slots, wrong); }, "vectors");
  check_refused([&] { table.assign(fids, slots_for({1}), out); }, "slots");
  const SightedBatch batch = table.sight(Fids{}, Slots{}, Times{0});
  check_refused([&] { table.gather(batch, out); }, "out");
  check_refused([&] { table.apply(batch, out, 0.1F); }, "grads");
  check_refused([&] { table.export_rows(0, 0); }, "min_rows");
  check_refused([&] { table.export_rows(0, Table::kMaxBatch + 1); }, "min_rows");
  CHECK(table.size() == 0 && table.num_touched() == 0 && table.digest() == 0);
}

void test_rows_to_import_must_agree_with_each_other() {
  Table table(options_of(2));
  Rows good;
  good.fids = {1, 2};
  good.slots = {0, 0};
  good.vectors = {1, 2, 3, 4};
  const auto refused = [&](auto spoil, const char* field) {
    Rows rows = good;
    spoil(rows);
    check_refused([&] { table.import_rows(rows); }, field);
  };
  refused([](Rows& rows) { rows.slots = {0}; }, "slots");
  refused([](Rows& rows) { rows.vectors.pop_back(); }, "vectors");
  refused([](Rows& rows) { rows.seen_at_s = {1}; }, "seen_at_s");
  refused([](Rows& rows) { rows.counts = {1, 2, 3}; }, "counts");
  refused([](Rows& rows) { rows.touched = {1}; }, "touched");
  refused([](Rows& rows) { rows.states = {1, 1, 1}; }, "states");
  refused([](Rows& rows) { rows.vectors[2] = std::numeric_limits<float>::quiet_NaN(); }, "vectors");
  refused([](Rows& rows) { rows.states = {1, 1, 1, std::numeric_limits<float>::infinity()}; }, "states");
  CHECK(table.size() == 0);
  Candidates candidates;
  candidates.fids = {1};
  CHECK_THROWS(table.import_candidates(candidates), std::invalid_argument);
  check_refused([&] { table.import_state(std::vector<std::uint64_t>(7)); }, "state");
  std::vector<std::uint64_t> state = table.export_state();
  std::swap(state[2], state[11]);
  CHECK_THROWS(table.import_state(state), std::invalid_argument);
  table.import_rows(good);
  CHECK((lookup(table, {1, 2}) == Floats{1, 2, 3, 4}));
}

void test_values_that_are_not_finite_are_refused_before_anything_changes() {
  Table table(options_of(1));
  const Fids fids = {1, 2};
  const Floats bad = {1.0F, std::numeric_limits<float>::infinity()};
  check_refused([&] { table.assign(fids, slots_for(fids), bad); }, "vectors");
  for (const float rate :
       {0.0F, -1.0F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    check_refused([&] { table.apply_gradients(fids, Floats{1, 2}, rate); }, "learning_rate");
  }
  CHECK(table.size() == 0);
}

void test_a_serving_table_refuses_the_same() {
  check_refused([] { ServingTable(0, Precision::kInt8, 1); }, "dim");
  check_refused([] { ServingTable(ServingTable::kMaxDim + 1, Precision::kInt8, 1); }, "dim");
  ServingTable table(2, Precision::kFloat16, 1);
  Floats wrong(3);
  bool present[1];
  check_refused([&] { table.lookup(Fids{1, 2}, wrong); }, "out");
  check_refused([&] { table.contains(Fids{1, 2}, present); }, "out");
  check_refused([&] { table.apply_delta(Fids{1, 2}, wrong, {}); }, "vectors");
  check_refused([&] { table.apply_delta(Fids{1}, Floats{1, std::numeric_limits<float>::quiet_NaN()}, {}); },
                "vectors");
  CHECK(table.size() == 0 && table.digest() == 0);
}

void test_options_out_of_range_are_refused() {
  const auto refused = [](auto spoil) {
    TableOptions options = options_of(1);
    spoil(options);
    CHECK_THROWS(Table{options}, std::invalid_argument);
  };
  refused([](TableOptions& options) { options.dim = 0; });
  refused([](TableOptions& options) { options.dim = Table::kMaxDim + 1; });
  refused([](TableOptions& options) { options.optimizer.initial_accumulator = 0; });
  refused([](TableOptions& options) { options.initializer.scale = -0.1F; });
  refused([](TableOptions& options) { options.max_candidates = 15; });
}

void test_empty_batches_do_nothing() {
  Table table(options_of(2));
  create(table, {});
  Floats nothing;
  table.gather(table.sight(Fids{}, Slots{}, Times{7}), nothing);
  table.apply(table.sight(Fids{}, Slots{}, Times{7}), Floats{}, 0.1F);
  table.assign(Fids{}, Slots{}, Floats{});
  CHECK(table.erase(Fids{}) == 0 && table.expire(100, 100) == 0);
  table.import_rows(Rows{});
  table.import_deletes(Fids{});
  const Delta delta = table.export_delta(0);
  CHECK(delta.fids.empty() && delta.deleted.empty());
  table.restore_delta();
  table.acknowledge_delta();
  CHECK(table.size() == 0 && table.digest() == 0 && table.export_rows(0, 1).fids.empty());
}

}  // namespace

int main() {
  test_sizes_that_disagree_are_refused_before_anything_changes();
  test_rows_to_import_must_agree_with_each_other();
  test_values_that_are_not_finite_are_refused_before_anything_changes();
  test_a_serving_table_refuses_the_same();
  test_options_out_of_range_are_refused();
  test_empty_batches_do_nothing();
}
