// A new row is a pure function of (seed, FID, index), uniform in ±scale; no other state takes part.

#include <cmath>

#include "check.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

void test_order_batching_and_salt_do_not_matter() {
  Table forward(options_of(8, 1));
  Table backward(options_of(8, 0xDEADBEEF));
  Fids fids;
  for (std::uint64_t i = 0; i < 5000; ++i) fids.push_back(mix64(i));
  create(forward, fids);
  for (auto fid = fids.rbegin(); fid != fids.rend(); ++fid) create(backward, {*fid});
  CHECK(lookup(forward, fids) == lookup(backward, fids));
  CHECK(forward.digest() == backward.digest());
}

void test_a_row_that_comes_back_starts_as_it_first_did() {
  Table table(options_of(4));
  const Floats first = create(table, {5});
  table.apply_gradients(Fids{5}, Floats(4, 1.0F), 0.1F);
  table.erase(Fids{5});
  CHECK(create(table, {5}) == first);
  CHECK(picture_of(table).at(5).state == Floats(4, 1.0F));
}

void test_values_are_uniform_within_the_scale() {
  Table table(options_of(16));
  Fids fids;
  for (std::uint64_t i = 0; i < 20'000; ++i) fids.push_back(i);
  double sum = 0;
  double squares = 0;
  const Floats values = create(table, fids);
  for (const float value : values) {
    CHECK(std::fabs(value) < 0.01F);
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const auto num = static_cast<double>(values.size());
  CHECK(std::fabs(sum / num) < 1e-4);                 // 0, standard error 1e-5
  CHECK(std::fabs(squares / num - 1e-4 / 3) < 3e-7);  // scale² / 3
}

void test_another_seed_and_another_index_give_other_values() {
  TableOptions other = options_of(4);
  other.seed = 18;
  Table table(options_of(4));
  Table reseeded(other);
  const Floats row = create(table, {1});
  CHECK(row != create(reseeded, {1}));
  CHECK(row != create(table, {2}));
  CHECK(row[0] != row[1] && row[1] != row[2] && row[2] != row[3]);
}

void test_duplicates_in_a_batch_make_one_row() {
  Table table(options_of(2));
  const Floats out = create(table, {9, 9, 8, 9});
  CHECK(table.size() == 2 && table.num_touched() == 2);
  CHECK(out[0] == out[2] && out[0] == out[6] && out[1] == out[7]);
}

void test_a_row_keeps_the_slot_it_was_created_with() {
  Table table(options_of(1));
  create(table, {1}, 0, 3);
  create(table, {1}, 0, 4);
  CHECK(picture_of(table).at(1).slot == 3);
}

void test_an_absent_row_can_be_seen_as_it_would_begin() {
  for (const std::uint32_t dim : {1, 3, 16, 32, 64}) {
    Table table(options_of(dim));
    const Fids fids = {1, UINT64_MAX, 2, 0, 1};
    Floats would_be(fids.size() * dim, -1.0F);
    table.lookup(fids, would_be, Table::Absent::kInitial);
    CHECK(table.size() == 0 && table.num_touched() == 0);
    CHECK(lookup(table, fids) == Floats(fids.size() * dim, 0.0F));
    CHECK(create(table, fids) == would_be);
    CHECK(lookup(table, fids) == would_be);
  }
}

void test_the_first_values_of_a_seed_never_change() {
  Table table(options_of(2));
  const Floats row = create(table, {1});
  CHECK(row[0] == -0x1.9c50780000000p-8F);
  CHECK(row[1] == 0x1.2a61440000000p-7F);
}

}  // namespace

int main() {
  test_order_batching_and_salt_do_not_matter();
  test_a_row_that_comes_back_starts_as_it_first_did();
  test_values_are_uniform_within_the_scale();
  test_another_seed_and_another_index_give_other_values();
  test_duplicates_in_a_batch_make_one_row();
  test_a_row_keeps_the_slot_it_was_created_with();
  test_an_absent_row_can_be_seen_as_it_would_begin();
  test_the_first_values_of_a_seed_never_change();
}
