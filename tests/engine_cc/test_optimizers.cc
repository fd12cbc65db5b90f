// Every optimizer against its papers' formulas in double over many steps, and against steps worked by hand.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "freshet/mix.h"
#include "freshet/optimizer.h"
#include "freshet/xxh64.h"
#include "reference_optimizers.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

using Floats = std::vector<float>;
constexpr auto kKinds = {OptimizerKind::kSgd,     OptimizerKind::kMomentum, OptimizerKind::kAdagrad,
                         OptimizerKind::kAdam,    OptimizerKind::kAmsgrad,  OptimizerKind::kAdadelta,
                         OptimizerKind::kRmsprop, OptimizerKind::kFtrl,     OptimizerKind::kGroupFtrl};

bool is_ftrl(OptimizerKind kind) { return kind == OptimizerKind::kFtrl || kind == OptimizerKind::kGroupFtrl; }

/// A row by itself: vector, then state.
struct Row {
  Row(const OptimizerOptions& options, const Floats& vector)
      : optimizer(options, static_cast<std::uint32_t>(vector.size())),
        floats(vector.size() + optimizer.num_state_floats()) {
    std::copy(vector.begin(), vector.end(), floats.begin());
    optimizer.initialise(floats.data() + vector.size());
  }

  bool update(const Floats& gradient, float learning_rate) {
    return optimizer.update(floats.data(), gradient.data(), learning_rate);
  }

  Optimizer optimizer;
  Floats floats;
};

/// A multiple of 2^-20 in (-1, 1), the same everywhere.
float draw(std::uint64_t step, std::uint64_t index) {
  return static_cast<float>(static_cast<std::int64_t>(mix64(step * 8191 + index) >> 43) - (1 << 20)) *
         0x1p-20F;
}

Floats draws(std::uint64_t step, std::size_t dim, float scale = 1.0F) {
  Floats all(dim);
  for (std::size_t i = 0; i < dim; ++i) all[i] = draw(step, i) * scale;
  return all;
}

/// Warms up, then falls: a rate that differs from step to step.
float rate_at(int step) {
  return step < 20 ? 0.005F * static_cast<float>(step + 1) : 2.0F / static_cast<float>(step);
}

std::vector<double> widened(const Floats& x) { return {x.begin(), x.end()}; }

void check_against_reference(const OptimizerOptions& options, std::size_t dim, double tolerance) {
  const Floats start = draws(77, dim, 0.1F);
  Row row(options, start);
  ReferenceRow reference(options, widened(start));
  for (int step = 0; step < 250; ++step) {
    // Of uneven sizes, with a drift, so that weights go somewhere; now and then nothing.
    Floats gradient = draws(static_cast<std::uint64_t>(step), dim, step % 5 == 0 ? 2.0F : 0.3F);
    for (std::size_t i = 0; i < dim; ++i) gradient[i] += i % 3 == 0 ? 0.1F : -0.02F;
    if (step % 11 == 0) gradient.assign(dim, 0.0F);
    CHECK(row.update(gradient, rate_at(step)));
    reference.update(widened(gradient), static_cast<double>(rate_at(step)));
    for (std::size_t i = 0; i < dim; ++i) {
      const double error = std::fabs(static_cast<double>(row.floats[i]) - reference.vector()[i]);
      if (error > tolerance * (1 + std::fabs(reference.vector()[i]))) {
        std::fprintf(stderr, "%s dim %zu step %d: %g, reference %g\n", name_of(options.kind).data(), dim,
                     step, static_cast<double>(row.floats[i]), reference.vector()[i]);
        CHECK(false);
      }
    }
  }
}

void test_each_optimizer_follows_its_paper_over_many_steps() {
  for (const OptimizerKind kind : kKinds) {
    for (const std::size_t dim : {1, 3, 8, 16, 17, 32, 64, 100}) {
      OptimizerOptions options{.kind = kind};
      check_against_reference(options, dim, 2e-5);
      options.clip_value = 0.5F;
      options.clip_norm = 0.8F;
      if (!is_ftrl(kind)) options.weight_decay = 0.3F;
      check_against_reference(options, dim, 2e-5);
    }
  }
}

void test_nesterov_and_rmsprop_without_velocity_follow_their_papers() {
  for (const std::size_t dim : {1, 16, 17}) {
    check_against_reference({.kind = OptimizerKind::kRmsprop, .momentum = 0}, dim, 2e-5);
    check_against_reference({.kind = OptimizerKind::kMomentum, .momentum = 0.8F, .nesterov = true}, dim,
                            2e-5);
  }
}

void test_both_ftrls_follow_their_paper_with_l1_l2_beta_and_another_power() {
  for (const OptimizerKind kind : {OptimizerKind::kFtrl, OptimizerKind::kGroupFtrl}) {
    for (const std::size_t dim : {1, 3, 16, 17, 64}) {
      OptimizerOptions options{.kind = kind, .initial_accumulator = 0, .l1 = 0.7F, .l2 = 0.4F, .beta = 1.0F};
      check_against_reference(options, dim, 5e-5);
      for (const float power : {-1.0F, -0.7F, -0.3F, 0.0F}) {
        options.initial_accumulator = 0.1F;
        options.learning_rate_power = power;
        check_against_reference(options, dim, 5e-5);
      }
    }
  }
}

/// The first steps of a one-dimensional row, in which every number is exact in a float.
void test_first_steps_by_hand() {
  const auto after = [](const OptimizerOptions& options, const Floats& gradients, float w, float rate) {
    Row row(options, {w});
    for (const float gradient : gradients) CHECK(row.update({gradient}, rate));
    return row.floats;
  };
  CHECK((after({.kind = OptimizerKind::kSgd}, {3}, 1, 0.5F) == Floats{-0.5F}));
  // v: 4, then 0.5·4 + 2 = 4; w: 1 - 0.25·4 - 0.25·4.
  CHECK((after({.kind = OptimizerKind::kMomentum, .momentum = 0.5F}, {4, 2}, 1, 0.25F) == Floats{-1, 4}));
  // w: 1 - 0.25·(4 + 0.5·4).
  CHECK((after({.kind = OptimizerKind::kMomentum, .momentum = 0.5F, .nesterov = true}, {4}, 1, 0.25F) ==
         Floats{-0.5F, 4}));
  // n: 7 + 9 = 16; w: 1 - 0.5·3/4.
  CHECK((after({.kind = OptimizerKind::kAdagrad, .initial_accumulator = 7}, {3}, 1, 0.5F) ==
         Floats{0.625F, 16}));
  // E: 0.25·16 = 4, to which epsilon makes 16; w: 1 - 0.5·4/4. With a velocity, which is 4/4 at first: the same;
  // then E: 0.75·4 + 0.25·g² with g = 6 is 12, with epsilon 24.
  OptimizerOptions rmsprop{.kind = OptimizerKind::kRmsprop, .momentum = 0, .epsilon = 12, .rho = 0.75F};
  CHECK((after(rmsprop, {4}, 1, 0.5F) == Floats{0.5F, 4}));
  rmsprop.momentum = 0.5F;
  CHECK((after(rmsprop, {4}, 1, 0.5F) == Floats{0.5F, 4, 1}));
  const Floats twice = after(rmsprop, {4, 6}, 1, 0.5F);
  CHECK(twice[1] == 12 && std::fabs(twice[2] - (0.5F + 6 / std::sqrt(24.0F))) < 1e-6F);
  CHECK(std::fabs(twice[0] - (0.5F - 0.5F * twice[2])) < 1e-6F);
  // E: 0.25·7.5² = 14.0625, to which epsilon makes 16; d: 7.5·√epsilon/√16.
  const Floats adadelta =
      after({.kind = OptimizerKind::kAdadelta, .epsilon = 1.9375F, .rho = 0.75F}, {7.5F}, 1, 1);
  CHECK(adadelta[1] == 14.0625F);
  CHECK(std::fabs(adadelta[0] - (1 - 7.5F * std::sqrt(1.9375F) / 4)) < 1e-6F);
}

void test_a_rows_first_adam_step_is_its_rate_however_large_the_gradient() {
  for (const OptimizerKind kind : {OptimizerKind::kAdam, OptimizerKind::kAmsgrad}) {
    for (const float gradient : {1e-3F, 1.0F, -250.0F}) {
      Row row({.kind = kind}, {1.0F});
      CHECK(row.update({gradient}, 0.125F));
      CHECK(std::fabs(row.floats[0] - (gradient > 0 ? 0.875F : 1.125F)) < 2e-5F);
    }
  }
}

void test_amsgrad_remembers_the_greatest_and_adam_forgets_it() {
  const OptimizerOptions adam{.kind = OptimizerKind::kAdam, .beta1 = 0, .beta2 = 0.5F};
  OptimizerOptions amsgrad = adam;
  amsgrad.kind = OptimizerKind::kAmsgrad;
  Row forgets(adam, {0.0F});
  Row remembers(amsgrad, {0.0F});
  for (Row* row : {&forgets, &remembers}) {
    CHECK(row->update({100.0F}, 1e-9F));
    for (int i = 0; i < 60; ++i) CHECK(row->update({1.0F}, 1e-9F));
  }
  const float before_forgets = forgets.floats[0];
  const float before_remembers = remembers.floats[0];
  CHECK(forgets.update({1.0F}, 1.0F) && remembers.update({1.0F}, 1.0F));
  CHECK(std::fabs(before_forgets - forgets.floats[0] - 1.0F) < 1e-4F);
  CHECK(std::fabs(before_remembers - remembers.floats[0] - 1 / std::sqrt(5000.0F)) < 1e-4F);
}

void test_ftrl_l1_has_the_right_sign() {
  // From w = 0: z = g, n = 0 + g², and with beta 0 the rate is 0.1/|g|.
  const OptimizerOptions options{.kind = OptimizerKind::kFtrl, .initial_accumulator = 1e-12F, .l1 = 0.5F};
  for (const float gradient : {2.0F, -2.0F}) {
    Row row(options, {0.0F});
    CHECK(row.update({gradient}, 0.1F));
    // w = -(±2 - ±0.5)·0.1/2: a positive z gives a negative weight, and l1 shortens both alike.
    CHECK(std::fabs(row.floats[0] + std::copysign(0.075F, gradient)) < 1e-7F);
    CHECK(row.floats[1] == gradient);
  }
  for (const float gradient : {0.5F, -0.5F, 0.25F, -0.125F}) {
    Row row(options, {0.0F});
    CHECK(row.update({gradient}, 0.1F));
    CHECK(row.floats[0] == 0.0F && !std::signbit(row.floats[0]));
  }
}

void test_ftrl_steps_from_the_initial_vector() {
  // n: 3 + 1 = 4, so 1/η = √4/0.5 = 4 and w: 2 - 1/4, as if Adagrad had stepped.
  for (const OptimizerKind kind : {OptimizerKind::kFtrl, OptimizerKind::kGroupFtrl}) {
    Row row({.kind = kind, .initial_accumulator = 3}, {2.0F});
    CHECK(row.update({1.0F}, 0.5F));
    CHECK((row.floats == Floats{1.75F, -7.0F, 4.0F, 2.0F}));
  }
}

void test_ftrl_without_penalties_is_adagrad_whatever_the_rate_does() {
  for (const OptimizerKind kind : {OptimizerKind::kFtrl, OptimizerKind::kGroupFtrl}) {
    Row ftrl({.kind = kind}, draws(1, 16));
    Row adagrad({.kind = OptimizerKind::kAdagrad}, draws(1, 16));
    for (int step = 0; step < 200; ++step) {
      const Floats gradient = draws(static_cast<std::uint64_t>(step) + 5, 16);
      CHECK(ftrl.update(gradient, rate_at(step)) && adagrad.update(gradient, rate_at(step)));
      for (std::size_t i = 0; i < 16; ++i) CHECK(std::fabs(ftrl.floats[i] - adagrad.floats[i]) < 1e-5F);
    }
  }
}

void test_group_lasso_takes_and_frees_a_row_as_a_whole() {
  // |z|₂ = 5 and the threshold is l1·√4 = 2·l1.
  const Floats gradient{3.0F, 0.0F, -4.0F, 0.0F};
  OptimizerOptions options{
      .kind = OptimizerKind::kGroupFtrl, .initial_accumulator = 0, .l1 = 2.5F, .beta = 1};
  Row shrunk(options, Floats(4, 0.0F));
  CHECK(shrunk.update(gradient, 1.0F));
  for (std::size_t i = 0; i < 4; ++i) CHECK(shrunk.floats[i] == 0.0F && !std::signbit(shrunk.floats[i]));
  options.l1 = 2.0F;  // a fifth is left; 1/η is 1 + 3, 1, 1 + 4, 1
  Row kept(options, Floats(4, 0.0F));
  CHECK(kept.update(gradient, 1.0F));
  CHECK(std::fabs(kept.floats[0] + 0.2F * 3 / 4) < 1e-6F);
  CHECK(std::fabs(kept.floats[2] - 0.2F * 4 / 5) < 1e-6F);
  CHECK(kept.floats[1] == 0.0F && kept.floats[3] == 0.0F);
}

void test_weight_decay_stands_beside_the_step() {
  for (const OptimizerKind kind : kKinds) {
    if (is_ftrl(kind)) continue;
    Row row({.kind = kind, .weight_decay = 0.25F}, {4.0F, -8.0F});
    CHECK(row.update({0.0F, 0.0F}, 0.5F));  // no gradient, so only w -= 0.5·0.25·w
    CHECK(row.floats[0] == 3.5F && row.floats[1] == -7.0F);
  }
}

void test_values_are_clipped_first_and_the_norm_of_what_is_left() {
  // (3, -4, 100) becomes (3, -4, 4), whose norm is √41; clipped to half of that, all three are halved.
  OptimizerOptions options{
      .kind = OptimizerKind::kSgd, .clip_norm = 0.5F * std::sqrt(41.0F), .clip_value = 4.0F};
  Row both(options, Floats(3, 0.0F));
  CHECK(both.update({3.0F, -4.0F, 100.0F}, 1.0F));
  CHECK(std::fabs(both.floats[0] + 1.5F) < 1e-6F && std::fabs(both.floats[1] - 2) < 1e-6F);
  CHECK(std::fabs(both.floats[2] + 2) < 1e-6F);
  options.clip_norm = 10.0F;  // longer than √41: nothing to do
  Row value(options, Floats(3, 0.0F));
  CHECK(value.update({3.0F, -4.0F, 100.0F}, 1.0F));
  CHECK((value.floats == Floats{-3.0F, 4.0F, -4.0F}));
}

void test_a_huge_gradient_is_clipped_where_its_square_would_overflow() {
  Row row({.kind = OptimizerKind::kAdagrad, .initial_accumulator = 1, .clip_norm = 5}, {0, 0});
  CHECK(row.update({3e38F, -3e38F}, 1.0F));
  CHECK(std::fabs(row.floats[2] - 13.5F) < 1e-4F && row.floats[0] == -row.floats[1]);
}

void test_what_is_not_finite_leaves_the_row_as_it_was() {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const OptimizerKind kind : kKinds) {
    for (const std::size_t dim : {1, 8, 16, 17, 64, 4096}) {
      for (const float clip : {0.0F, 1.0F}) {
        Row row({.kind = kind, .clip_norm = clip, .clip_value = clip}, draws(3, dim));
        CHECK(row.update(draws(4, dim), 0.1F));
        const Floats before = row.floats;
        for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
          for (const std::size_t at : {std::size_t{0}, dim / 2, dim - 1}) {
            Floats gradient = draws(5, dim);
            gradient[at] = bad;
            CHECK(!row.update(gradient, 0.1F));
            CHECK(row.floats == before);
          }
        }
      }
    }
  }
}

void test_a_row_that_would_overflow_stays_as_it_was() {
  for (const OptimizerKind kind : kKinds) {
    Row row({.kind = kind}, {3e38F, 1.0F});
    const Floats before = row.floats;
    CHECK(!row.update({-3e38F, 1.0F}, 1.0F));
    CHECK(row.floats == before);
  }
  // Its state is finite, its weight would not be.
  Row weight({.kind = OptimizerKind::kAdagrad}, {3.4e38F});
  CHECK(!weight.update({-1e18F}, 3e38F));
  CHECK(weight.floats[0] == 3.4e38F && weight.floats[1] == 0.1F);
}

void test_the_state_of_a_row_has_the_size_and_start_it_says() {
  const auto start = [](OptimizerKind kind) {
    Floats floats = Row({.kind = kind, .initial_accumulator = 0.5F}, {9, 9}).floats;
    return Floats(floats.begin() + 2, floats.end());
  };
  CHECK(start(OptimizerKind::kSgd).empty());
  CHECK((start(OptimizerKind::kMomentum) == Floats{0, 0}));
  CHECK((start(OptimizerKind::kAdagrad) == Floats{0.5F, 0.5F}));
  CHECK(start(OptimizerKind::kAdam) == Floats(6, 0.0F));
  CHECK(start(OptimizerKind::kAmsgrad) == Floats(8, 0.0F));
  CHECK(start(OptimizerKind::kAdadelta) == Floats(4, 0.0F));
  CHECK(start(OptimizerKind::kRmsprop) == Floats(4, 0.0F));
  CHECK((start(OptimizerKind::kFtrl) == Floats{0, 0, 0.5F, 0.5F, 0}));
  CHECK((start(OptimizerKind::kGroupFtrl) == Floats{0, 0, 0.5F, 0.5F, 0}));
}

/// The bits after 100 steps, over dims that take every kernel. The same program in every instruction set, with and
/// without optimisation, must find them: they are what lets a replay on another machine end in the same model.
std::uint64_t bits_after_100_steps(OptimizerOptions options) {
  std::uint64_t bits = 0;
  for (const std::size_t dim : {1, 8, 16, 17, 32, 64, 131}) {
    Row row(options, draws(9, dim, 0.05F));
    for (int step = 0; step < 100; ++step) {
      CHECK(row.update(draws(static_cast<std::uint64_t>(step) + 100, dim), rate_at(step)));
    }
    bits = xxh64(row.floats.data(), row.floats.size() * sizeof(float), bits);
  }
  return bits;
}

void test_the_bits_of_every_optimizer_never_change() {
  using K = OptimizerKind;
  const struct {
    OptimizerOptions options;
    std::uint64_t bits;
  } golden[] = {
      {{.kind = K::kSgd, .weight_decay = 0.1F, .clip_norm = 1.0F, .clip_value = 0.9F}, 0x3D1EEA1EC04A14C1ULL},
      {{.kind = K::kMomentum}, 0xDED359420DF0B5F8ULL},
      {{.kind = K::kMomentum, .nesterov = true, .weight_decay = 0.1F}, 0xD434CBE4C3384AE9ULL},
      {{.kind = K::kAdagrad}, 0xD1DC3A206938D837ULL},
      {{.kind = K::kAdam, .weight_decay = 0.1F}, 0xA2E4D944AF88BB7CULL},
      {{.kind = K::kAmsgrad}, 0x792505BC8E04F87FULL},
      {{.kind = K::kAdadelta}, 0xD4D2F9D9DE534607ULL},
      {{.kind = K::kRmsprop}, 0x1E8A012A35E42B4FULL},
      {{.kind = K::kRmsprop, .momentum = 0}, 0xAE69B6A3846F7CA6ULL},
      {{.kind = K::kFtrl, .l1 = 0.5F, .l2 = 0.1F}, 0xB716A4AE4B39DC59ULL},
      {{.kind = K::kFtrl, .l1 = 0.5F, .learning_rate_power = -0.4F}, 0xE2CA8266DE456BA3ULL},
      {{.kind = K::kGroupFtrl, .l1 = 0.5F, .beta = 1.0F}, 0xBBAFAC04C202EAC9ULL},
      {{.kind = K::kGroupFtrl, .l1 = 0.5F, .learning_rate_power = -0.7F}, 0xAB4215145CFC0E50ULL},
  };
  bool all = true;
  for (const auto& [options, bits] : golden) {
    const std::uint64_t found = bits_after_100_steps(options);
    if (found == bits) continue;
    std::fprintf(stderr, "%s: 0x%016llXULL\n", name_of(options.kind).data(),
                 static_cast<unsigned long long>(found));
    all = false;
  }
  CHECK(all);
}

}  // namespace

int main() {
  test_each_optimizer_follows_its_paper_over_many_steps();
  test_nesterov_and_rmsprop_without_velocity_follow_their_papers();
  test_both_ftrls_follow_their_paper_with_l1_l2_beta_and_another_power();
  test_first_steps_by_hand();
  test_a_rows_first_adam_step_is_its_rate_however_large_the_gradient();
  test_amsgrad_remembers_the_greatest_and_adam_forgets_it();
  test_ftrl_l1_has_the_right_sign();
  test_ftrl_steps_from_the_initial_vector();
  test_ftrl_without_penalties_is_adagrad_whatever_the_rate_does();
  test_group_lasso_takes_and_frees_a_row_as_a_whole();
  test_weight_decay_stands_beside_the_step();
  test_values_are_clipped_first_and_the_norm_of_what_is_left();
  test_a_huge_gradient_is_clipped_where_its_square_would_overflow();
  test_what_is_not_finite_leaves_the_row_as_it_was();
  test_a_row_that_would_overflow_stays_as_it_was();
  test_the_state_of_a_row_has_the_size_and_start_it_says();
  test_the_bits_of_every_optimizer_never_change();
}
