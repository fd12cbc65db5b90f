// Steps over registers, each checked against its formula written out, for more candidates than are taken together.

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "freshet/dense_program.h"

using namespace freshet;

namespace {

using Floats = std::vector<float>;

constexpr std::size_t kNum = 2 * DenseProgram::kTogether + 7;
constexpr std::uint32_t kAskerWidth = 6;
constexpr std::uint32_t kCandidateWidth = 8;

class Given : public InputSource {
 public:
  explicit Given(const Floats& values) : values_(values) {}
  void fill(std::size_t first, Lines<float> lines) const override {
    std::copy_n(values_.data() + first * lines.width, lines.num * lines.width, lines.first);
  }

 private:
  const Floats& values_;
};

Floats drawn(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  Floats values(size);
  for (float& each : values) each = normal(random);
  return values;
}

struct Scene {
  Floats asker = drawn(kAskerWidth, 1);
  Floats candidates = drawn(kNum * kCandidateWidth, 2);
  DenseProgram program{kAskerWidth, kCandidateWidth, 0};

  Floats run(Place result, std::size_t width) const {
    const Given one(asker);
    const Given many(candidates);
    const InputSource* const sources[] = {&one, &many, nullptr};
    Floats out(kNum * width);
    program.run(std::span<const InputSource* const, 3>(sources), result, {out.data(), kNum, width});
    return out;
  }
  float candidate(std::size_t i, std::size_t column) const {
    return candidates[i * kCandidateWidth + column];
  }
};

bool near(float found, double expected) { return std::abs(static_cast<double>(found) - expected) < 1e-4; }

double sigmoid(double value) { return 1.0 / (1.0 + std::exp(-value)); }

void test_an_askers_share_of_a_layer_begins_every_candidates_sum() {
  Scene scene;
  const Floats of_asker = drawn(kAskerWidth * 5, 3);
  const Floats of_candidate = drawn(kCandidateWidth * 5, 4);
  const Floats bias = drawn(5, 5);
  const std::uint32_t share = scene.program.add_register(5, true);
  const std::uint32_t whole = scene.program.add_register(5, false);
  scene.program.add_step(LinearStep{
      {DenseProgram::kAsker, 0}, PackedMatrix(of_asker, kAskerWidth, 5), bias, {}, false, {share, 0}});
  scene.program.add_step(LinearStep{{DenseProgram::kCandidates, 0},
                                    PackedMatrix(of_candidate, kCandidateWidth, 5),
                                    {},
                                    Place{share, 0},
                                    true,
                                    {whole, 0}});
  const Floats found = scene.run({whole, 0}, 5);
  for (std::size_t i = 0; i < kNum; ++i) {
    for (std::size_t unit = 0; unit < 5; ++unit) {
      double sum = bias[unit];
      for (std::size_t k = 0; k < kAskerWidth; ++k) sum += scene.asker[k] * of_asker[k * 5 + unit];
      for (std::size_t k = 0; k < kCandidateWidth; ++k) {
        sum += scene.candidate(i, k) * of_candidate[k * 5 + unit];
      }
      CHECK(near(found[i * 5 + unit], std::fmax(sum, 0.0)));
    }
  }
}

void test_activations() {
  const Floats parameters = {0.1F, -0.2F, 0.3F, 0.5F, 0.0F, -0.5F, 2.0F, 1.0F, 0.5F};
  for (const Activation kind : {Activation::kSigmoid, Activation::kGate, Activation::kTanh,
                                Activation::kSoftmax, Activation::kPrelu, Activation::kDice}) {
    Scene scene;
    Floats given;
    if (kind == Activation::kPrelu) given.assign(parameters.begin(), parameters.begin() + 3);
    if (kind == Activation::kDice) given = parameters;
    scene.program.add_step(ActivationStep{kind, 3, given, {DenseProgram::kCandidates, 2}});
    const Floats found = scene.run({DenseProgram::kCandidates, 1}, 5);
    for (std::size_t i = 0; i < kNum; ++i) {
      CHECK(found[i * 5] == scene.candidate(i, 1) && found[i * 5 + 4] == scene.candidate(i, 5));
      double sum = 0.0;
      for (std::size_t c = 0; c < 3; ++c) sum += std::exp(static_cast<double>(scene.candidate(i, 2 + c)));
      for (std::size_t c = 0; c < 3; ++c) {
        const double x = scene.candidate(i, 2 + c);
        const double a = parameters[c];
        double expected = sigmoid(x);
        if (kind == Activation::kGate) expected = 2.0 * sigmoid(x);
        if (kind == Activation::kTanh) expected = std::tanh(x);
        if (kind == Activation::kSoftmax) expected = std::exp(x) / sum;
        if (kind == Activation::kPrelu) expected = x > 0.0 ? x : a * x;
        if (kind == Activation::kDice) {
          const double share = sigmoid((x - static_cast<double>(parameters[3 + c])) * parameters[6 + c]);
          expected = x * (share + (1.0 - share) * a);
        }
        CHECK(near(found[i * 5 + 1 + c], expected));
      }
    }
  }
}

void test_pairs_of_fields_of_both_sides() {
  for (const bool is_summed : {true, false}) {
    Scene scene;
    const std::uint32_t of_asker = scene.program.add_register(4, true);
    const std::uint32_t of_candidate = scene.program.add_register(4, false);
    const std::uint32_t pairs = scene.program.add_register(2, false);
    scene.program.add_step(SumsStep{{{0, 0}, {0, 4}}, 2, {of_asker, 0}});
    scene.program.add_step(SumsStep{{{1, 1}, {1, 3}, {1, 6}}, 2, {of_candidate, 0}});
    scene.program.add_step(PairsStep{{{of_asker, 0}, {of_candidate, 0}}, 2, is_summed, {pairs, 0}});
    const Floats found = scene.run({pairs, 0}, is_summed ? 1 : 2);
    for (std::size_t i = 0; i < kNum; ++i) {
      double of_dim[2] = {};
      for (std::size_t d = 0; d < 2; ++d) {
        const double fields[] = {scene.asker[d], scene.asker[4 + d], scene.candidate(i, 1 + d),
                                 scene.candidate(i, 3 + d), scene.candidate(i, 6 + d)};
        for (int s = 0; s < 5; ++s) {
          for (int u = s + 1; u < 5; ++u) of_dim[d] += fields[s] * fields[u];
        }
      }
      if (is_summed) {
        CHECK(near(found[i], of_dim[0] + of_dim[1]));
      } else {
        CHECK(near(found[2 * i], of_dim[0]) && near(found[2 * i + 1], of_dim[1]));
      }
    }
  }
}

void test_dots_of_every_two_vectors() {
  Scene scene;
  const std::uint32_t dots = scene.program.add_register(3, false);
  scene.program.add_step(DotsStep{{{1, 0}, {0, 1}, {1, 4}}, 3, {dots, 0}});
  const Floats found = scene.run({dots, 0}, 3);
  for (std::size_t i = 0; i < kNum; ++i) {
    double expected[3] = {};
    for (std::size_t d = 0; d < 3; ++d) {
      const double one = scene.candidate(i, d);
      const double two = scene.asker[1 + d];
      const double three = scene.candidate(i, 4 + d);
      expected[0] += one * two;
      expected[1] += one * three;
      expected[2] += two * three;
    }
    for (std::size_t pair = 0; pair < 3; ++pair) CHECK(near(found[3 * i + pair], expected[pair]));
  }
}

void test_mixing_scaling_combining_and_standardising() {
  Scene scene;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  scene.candidates[5 * kCandidateWidth + 7] = nan;
  scene.candidates[6 * kCandidateWidth + 7] = 1e9F;
  scene.program.add_step(StandardiseStep{{0.5F}, {2.0F}, 10.0F, {1, 7}});
  const std::uint32_t mixed = scene.program.add_register(4, false);
  scene.program.add_step(MixStep{{1, 0}, {{0, 0}, {1, 2}}, 2, {mixed, 0}});
  scene.program.add_step(CombineStep{CombineStep::Kind::kCopy, {1, 6}, 2, {mixed, 2}});
  scene.program.add_step(ScaleStep{{1, 4}, {1, 2}, {mixed, 0}});
  scene.program.add_step(CombineStep{CombineStep::Kind::kAdd, {0, 2}, 2, {mixed, 0}});
  scene.program.add_step(CombineStep{CombineStep::Kind::kMultiply, {0, 4}, 1, {mixed, 3}});
  const Floats found = scene.run({mixed, 0}, 4);
  for (std::size_t i = 0; i < kNum; ++i) {
    const auto mix = [&](std::size_t c) {
      return scene.candidate(i, 0) * scene.asker[c] + scene.candidate(i, 1) * scene.candidate(i, 2 + c);
    };
    CHECK(near(found[4 * i], mix(0) * scene.candidate(i, 4) + scene.asker[2]));
    CHECK(near(found[4 * i + 1], mix(1) * scene.candidate(i, 5) + scene.asker[3]));
    CHECK(near(found[4 * i + 2], scene.candidate(i, 6) * scene.candidate(i, 5)));
    double number = (scene.candidate(i, 7) - 0.5) * 2.0;
    if (i == 5) number = 0.0;
    if (i == 6) number = 10.0;
    CHECK(near(found[4 * i + 3], number * scene.asker[4]));
  }
}

void test_steps_that_do_not_fit_are_refused() {
  Scene scene;
  const std::uint32_t of_asker = scene.program.add_register(4, true);
  const auto refuses = [&](DenseStep step) {
    CHECK_THROWS(scene.program.add_step(std::move(step)), std::invalid_argument);
  };
  const Floats weights(kCandidateWidth * 4);
  refuses(LinearStep{
      {1, 0}, PackedMatrix(weights, 8, 4), {}, {}, false, {of_asker, 0}});  // the asker from candidates
  refuses(LinearStep{{1, 1}, PackedMatrix(weights, 8, 4), {}, {}, false, {1, 0}});  // beyond the register
  refuses(LinearStep{{1, 0}, PackedMatrix(weights, 8, 4), Floats(3), {}, false, {1, 0}});  // another bias
  refuses(LinearStep{{1, 0}, PackedMatrix(weights, 8, 4), Floats(4), Place{0, 0}, false, {1, 0}});
  refuses(CombineStep{CombineStep::Kind::kAdd, {0, 3}, 4, {1, 0}});
  refuses(CombineStep{CombineStep::Kind::kAdd, {9, 0}, 1, {1, 0}});
  refuses(ActivationStep{Activation::kDice, 2, Floats(5), {1, 0}});
  refuses(ActivationStep{Activation::kSoftmax, 0, {}, {1, 0}});
  refuses(StandardiseStep{Floats(2), Floats(3), 1.0F, {1, 0}});
  refuses(DotsStep{{{1, 0}}, 3, {1, 0}});
  CHECK_THROWS(scene.program.add_register(0, true), std::invalid_argument);
  CHECK_THROWS(scene.run({1, 3}, 6), std::invalid_argument);
  const Given one(scene.asker);
  const InputSource* const sources[] = {&one, nullptr, nullptr};
  Floats out(1);
  CHECK_THROWS(scene.program.run(std::span<const InputSource* const, 3>(sources), {1, 0}, {out.data(), 1, 1}),
               std::invalid_argument);
}

void test_threads_run_one_program() {
  Scene scene;
  const Floats weights = drawn(kCandidateWidth * 3, 9);
  const std::uint32_t out = scene.program.add_register(3, false);
  scene.program.add_step(LinearStep{{1, 0}, PackedMatrix(weights, 8, 3), {}, {}, true, {out, 0}});
  const Floats expected = scene.run({out, 0}, 3);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 50; ++turn) CHECK(scene.run({out, 0}, 3) == expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main() {
  test_an_askers_share_of_a_layer_begins_every_candidates_sum();
  test_activations();
  test_pairs_of_fields_of_both_sides();
  test_dots_of_every_two_vectors();
  test_mixing_scaling_combining_and_standardising();
  test_steps_that_do_not_fit_are_refused();
  test_threads_run_one_program();
  return 0;
}
