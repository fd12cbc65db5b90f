#include "gather.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <vector>

#include "keys.h"
#include "slices.h"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace bench {
namespace {

constexpr std::size_t kTrialBatch = 65'536;
constexpr std::size_t kTrialRounds = 9;
constexpr std::array<std::uint32_t, 6> kDistances = {16, 24, 32, 40, 48, 64};

void copy_row(const float* from, float* to) noexcept {
#ifdef __AVX512F__
  _mm512_storeu_ps(to, _mm512_load_ps(from));
#else
  std::memcpy(to, from, kDim * sizeof(float));
#endif
}

/// Every distance takes its turn on the same fresh places in each round.
std::uint32_t fastest(std::uint32_t num_rows, const std::function<void(Places32, std::uint32_t)>& work) {
  Places places(num_rows, Distribution::kUniform, 1);
  std::array<std::vector<double>, kDistances.size()> rates;
  for (std::size_t round = 0; round < kTrialRounds; ++round) {
    for (std::size_t i = 0; i < kDistances.size(); ++i) {
      const std::vector<std::uint32_t> batch = places.draw(kTrialBatch);
      rates[i].push_back(1.0 / seconds_of([&] { work(batch, kDistances[i]); }));
    }
  }
  std::size_t best = 0;
  for (std::size_t i = 1; i < kDistances.size(); ++i) {
    if (median(rates[i]) > median(rates[best])) best = i;
  }
  return kDistances[best];
}

}  // namespace

Gather::Gather(std::uint32_t num_rows) : rows_(num_rows) {
  for (std::uint32_t i = 0; i < num_rows; ++i) fill_vector(key_at(i), rows_[i].values);
  std::vector<float> out(kTrialBatch * kDim);
  distance_ =
      fastest(num_rows, [&](Places32 places, std::uint32_t distance) { copy(places, out, distance); });
}

void Gather::copy(Places32 places, Floats out, std::uint32_t distance) const noexcept {
  const std::size_t num = places.size();
  for (std::size_t i = 0; i < std::min<std::size_t>(distance, num); ++i)
    __builtin_prefetch(&rows_[places[i]]);
  const std::size_t ahead = num - std::min<std::size_t>(distance, num);
  float* to = out.data();
  for (std::size_t i = 0; i < ahead; ++i, to += kDim) {
    __builtin_prefetch(&rows_[places[i + distance]]);
    copy_row(rows_[places[i]].values, to);
  }
  for (std::size_t i = ahead; i < num; ++i, to += kDim) copy_row(rows_[places[i]].values, to);
}

GatherAndWrite::GatherAndWrite(std::uint32_t num_rows) : rows_(num_rows) {
  std::fill_n(rows_[0].values, std::size_t{num_rows} * 2 * kDim, 1.0F);
  const std::vector<float> grads(kTrialBatch * kDim, 0.0F);
  distance_ =
      fastest(num_rows, [&](Places32 places, std::uint32_t distance) { add(places, grads, distance); });
}

void GatherAndWrite::add(Places32 places, ConstFloats grads, std::uint32_t distance) noexcept {
  const std::size_t num = places.size();
  const auto prefetch = [this](std::uint32_t place) {
    __builtin_prefetch(rows_[place].values, 1);
    __builtin_prefetch(rows_[place].state, 1);
  };
  for (std::size_t i = 0; i < std::min<std::size_t>(distance, num); ++i) prefetch(places[i]);
  for (std::size_t i = 0; i < num; ++i) {
    if (i + distance < num) prefetch(places[i + distance]);
    VectorAndState& row = rows_[places[i]];
    const float* grad = grads.data() + i * kDim;
    for (std::size_t at = 0; at < kDim; ++at) row.values[at] += grad[at];
    for (std::size_t at = 0; at < kDim; ++at) row.state[at] += grad[at];
  }
}

}  // namespace bench
