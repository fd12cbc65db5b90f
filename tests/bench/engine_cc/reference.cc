/// The bare gather, and the keys and rows that every contestant is given, for those that are called from Python.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gather.h"
#include "keys.h"
#include "rows.h"

extern "C" {

bench::Gather* bench_gather_make(std::uint32_t num_rows) { return new bench::Gather(num_rows); }

void bench_gather_free(bench::Gather* gather) { delete gather; }

void bench_gather_lookup(const bench::Gather* gather, const std::uint32_t* places, std::size_t num,
                         float* out) {
  gather->lookup({places, num}, {out, num * bench::kDim});
}

bench::GatherAndWrite* bench_update_make(std::uint32_t num_rows) {
  return new bench::GatherAndWrite(num_rows);
}

void bench_update_free(bench::GatherAndWrite* bare) { delete bare; }

void bench_update(bench::GatherAndWrite* bare, const std::uint32_t* places, std::size_t num,
                  const float* grads) {
  bare->update({places, num}, {grads, num * bench::kDim});
}

bench::Places* bench_places_make(std::uint32_t num_rows, int is_zipf, std::uint64_t seed) {
  return new bench::Places(num_rows,
                           is_zipf != 0 ? bench::Distribution::kZipf : bench::Distribution::kUniform, seed);
}

void bench_places_free(bench::Places* places) { delete places; }

void bench_places_draw(bench::Places* places, std::size_t num, std::uint32_t* out) {
  const std::vector<std::uint32_t> drawn = places->draw(num);
  std::copy(drawn.begin(), drawn.end(), out);
}

void bench_keys(const std::uint32_t* places, std::size_t num, std::uint64_t* out) {
  for (std::size_t i = 0; i < num; ++i) out[i] = bench::key_at(places[i]);
}

void bench_vectors(const std::uint64_t* keys, std::size_t num, float* out) {
  for (std::size_t i = 0; i < num; ++i) bench::fill_vector(keys[i], out + i * bench::kDim);
}
}
