// Gradients go into rows by sparse Adagrad, duplicates summed first, and nothing that is not finite gets in.

#include <cmath>
#include <limits>
#include <memory>

#include "check.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

Table* fresh(const Fids& fids, const Floats& vectors, std::uint32_t dim) {
  static std::unique_ptr<Table> table;
  table = std::make_unique<Table>(options_of(dim));
  table->assign(fids, slots_for(fids), vectors);
  return table.get();
}

void test_a_step_by_hand() {
  Table& table = *fresh({7}, {1.0F, 2.0F}, 2);
  // n: 1 + 3 = 4 and 1 + 8 = 9; w: 1 - 0.5·√3/2 and 2 - 0.5·√8/3.
  const float root3 = std::sqrt(3.0F);
  const float root8 = std::sqrt(8.0F);
  const ApplyResult result = table.apply_gradients(Fids{7}, Floats{root3, root8}, 0.5F);
  CHECK(result.num_applied == 1 && result.num_absent == 0 && result.num_rejected == 0);
  const Floats after = lookup(table, {7});
  CHECK(std::fabs(after[0] - (1.0F - 0.25F * root3)) < 1e-6F);
  CHECK(std::fabs(after[1] - (2.0F - root8 / 6.0F)) < 1e-6F);
  const Floats state = picture_of(table).at(7).state;
  CHECK(std::fabs(state[0] - 4.0F) < 1e-5F && std::fabs(state[1] - 9.0F) < 1e-5F);
}

void test_duplicates_are_summed_before_they_are_squared() {
  Table& table = *fresh({1, 2}, {0.0F, 0.0F}, 1);
  const ApplyResult result = table.apply_gradients(Fids{1, 2, 1, 9, 1}, Floats{2, 1, -1, 5, 2}, 1.0F);
  CHECK(result.num_applied == 4 && result.num_absent == 1);
  const Picture rows = picture_of(table);
  CHECK(rows.at(1).state[0] == 10.0F);  // 1 + (2 - 1 + 2)²
  CHECK(rows.at(2).state[0] == 2.0F);
  CHECK(!(lookup(table, {9})[0] != 0.0F) && table.size() == 2);
}

void test_a_sum_is_taken_in_input_order() {
  // In floats (1e8 + 1) - 1e8 is 0, while (1e8 - 1e8) + 1 is 1.
  Table& table = *fresh({1, 2}, {0.0F, 0.0F}, 1);
  table.apply_gradients(Fids{1, 2, 1, 2, 1, 2}, Floats{1e8F, 1e8F, 1.0F, -1e8F, -1e8F, 1.0F}, 1.0F);
  const Picture rows = picture_of(table);
  CHECK(rows.at(1).state[0] == 1.0F);
  CHECK(rows.at(2).state[0] == 2.0F);
}

void test_what_is_not_finite_is_left_out_and_counted() {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float most = std::numeric_limits<float>::max();
  Table& table = *fresh({1, 2, 3}, {0, 0, 0, 0, 0, 0}, 2);
  table.export_delta(10);
  table.acknowledge_delta();
  const ApplyResult result =
      table.apply_gradients(Fids{1, 1, 2, 2, 3}, Floats{nan, 1, 2, 2, most, 0, most, 0, 0, -infinity}, 0.1F);
  CHECK(result.num_applied == 1 && result.num_rejected == 4 && result.num_absent == 0);
  const Picture rows = picture_of(table);
  CHECK((rows.at(1).state == Floats{5, 5} && rows.at(2).state == Floats{1, 1} &&
         rows.at(3).state == Floats{1, 1}));
  CHECK((table.export_delta(10).fids == Fids{1}));
}

void test_a_gradient_whose_square_overflows_is_rejected() {
  Table& table = *fresh({1}, {0.5F}, 1);
  table.export_delta(10);
  const std::uint64_t digest = table.digest();
  CHECK(table.apply_gradients(Fids{1}, Floats{1e30F}, 0.1F).num_rejected == 1);
  CHECK(table.apply_gradients(Fids{1, 1}, Floats{1e30F, 1.0F}, 0.1F).num_rejected == 2);
  CHECK(lookup(table, {1})[0] == 0.5F && picture_of(table).at(1).state[0] == 1.0F);
  CHECK(table.digest() == digest && table.num_touched() == 0);
}

void test_a_large_batch_of_duplicates_matches_the_sum() {
  Table& table = *fresh({3, 4}, {0.0F, 0.0F}, 1);
  Fids fids;
  for (int i = 0; i < 10'000; ++i) fids.push_back(i % 2 == 0 ? 3 : 4);
  table.apply_gradients(fids, Floats(fids.size(), 0.25F), 1.0F);
  const Picture rows = picture_of(table);
  CHECK(rows.at(3).state[0] == 1.0F + 1250.0F * 1250.0F);
  CHECK(rows.at(4).state == rows.at(3).state);
}

}  // namespace

int main() {
  test_a_step_by_hand();
  test_duplicates_are_summed_before_they_are_squared();
  test_a_sum_is_taken_in_input_order();
  test_what_is_not_finite_is_left_out_and_counted();
  test_a_gradient_whose_square_overflows_is_rejected();
  test_a_large_batch_of_duplicates_matches_the_sum();
}
