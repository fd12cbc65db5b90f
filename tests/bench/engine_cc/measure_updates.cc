#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include "gather.h"
#include "keys.h"
#include "measure.h"
#include "slices.h"

namespace bench {
namespace {

struct Share {
  std::vector<std::uint32_t> places;
  std::vector<std::uint64_t> keys;
};

std::vector<float> some_gradients(std::size_t num) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<float> drawn(-0.01F, 0.01F);
  std::vector<float> grads(num * kDim);
  for (float& grad : grads) grad = drawn(random);
  return grads;
}

/// Keys that differ learn one step; every float of every row must be what double precision says, to float's rounding.
void check_step(Contestant& table, Places& places) {
  const std::vector<std::uint64_t> keys = keys_at(places.draw_distinct(kLargeBatch / 4));
  const std::vector<float> grads = some_gradients(keys.size());
  table.adagrad(keys, grads);
  std::vector<float> learned(keys.size() * kDim);
  table.lookup(keys, learned);
  std::vector<float> before(kDim);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    fill_vector(keys[i], before.data());
    for (std::size_t at = 0; at < kDim; ++at) {
      const double grad = grads[i * kDim + at];
      const double expected =
          before[at] - kLearningRate * grad / std::sqrt(kInitialAccumulator + grad * grad);
      BENCH_CHECK(std::abs(learned[i * kDim + at] - expected) <= 1e-6 * std::abs(expected) + 1e-7,
                  "a row after a step of Adagrad");
    }
  }
}

/// Threads of the bare reference must not meet in a row, so each keeps to places of its own remainder.
void draw(std::vector<Share>& shares, Places& places, std::uint32_t num_rows) {
  const auto num_threads = static_cast<std::uint32_t>(shares.size());
  for (std::uint32_t thread = 0; thread < num_threads; ++thread) {
    Share& share = shares[thread];
    share.places = places.draw(kSliceKeys);
    for (std::uint32_t& place : share.places) {
      place = place / num_threads * num_threads + thread;
      if (place >= num_rows) place = thread;
    }
    share.keys = keys_at(share.places);
  }
}

template <typename Update>
double rate_of(std::vector<Share>& shares, std::size_t batch_size, Update update) {
  const double took_s = seconds_together(shares.size(), [&](std::size_t thread) {
    for (std::size_t start = 0; start < kSliceKeys; start += batch_size)
      update(shares[thread], start, batch_size);
  });
  return static_cast<double>(shares.size() * kSliceKeys) / took_s;
}

}  // namespace

void measure_updates(Contestant& table, const Plan& plan, Figures& figures) {
  GatherAndWrite bare(plan.num_rows);
  const std::vector<float> grads = some_gradients(kLargeBatch);
  for (const Distribution distribution : {Distribution::kUniform, Distribution::kZipf}) {
    if (distribution == Distribution::kZipf && !plan.every_setting) continue;
    Places places(plan.num_rows, distribution, 18);
    if (distribution == Distribution::kUniform) check_step(table, places);
    for (const std::size_t batch_size : {kLargeBatch, kSmallBatch}) {
      if (batch_size == kSmallBatch && !plan.every_setting) continue;
      for (std::size_t num_threads = 1; num_threads <= (table.updates_together() ? 2 : 1); ++num_threads) {
        std::vector<Share> shares(num_threads);
        PairedRates rates;
        for (std::size_t round = 0; round <= plan.num_rounds; ++round) {
          draw(shares, places, plan.num_rows);
          const double reference =
              rate_of(shares, batch_size, [&](Share& share, std::size_t start, std::size_t num) {
                bare.update({&share.places[start], num}, {grads.data(), num * kDim});
              });
          const double rate =
              rate_of(shares, batch_size, [&](Share& share, std::size_t start, std::size_t num) {
                table.adagrad({&share.keys[start], num}, {grads.data(), num * kDim});
              });
          if (round != 0) rates.add(rate, reference);
        }
        const std::string name = name_of(distribution) + (batch_size == kLargeBatch ? "_64k_" : "_512_") +
                                 std::to_string(num_threads) + "t";
        figures.add("adagrad_" + name + "_keys_per_s", rates.rate());
        figures.add("adagrad_" + name + "_share_of_gather_and_write", rates.share());
        figures.add("gather_and_write_" + name + "_keys_per_s", rates.reference());
      }
    }
  }
}

}  // namespace bench
