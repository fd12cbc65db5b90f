#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "keys.h"
#include "measure.h"
#include "reader.h"
#include "slices.h"

namespace bench {
namespace {

constexpr std::size_t kDeltaRows = 10'000;
constexpr double kSliceS = 0.3;
constexpr double kPaceS = 0.1;

/// The same rows again, so that a reader's answers stay what they were.
struct Upserts {
  std::vector<std::uint64_t> keys;
  std::vector<float> vectors;

  explicit Upserts(Places& places)
      : keys(keys_at(places.draw_distinct(kDeltaRows))), vectors(kDeltaRows * kDim) {
    for (std::size_t i = 0; i < keys.size(); ++i) fill_vector(keys[i], &vectors[i * kDim]);
  }
};

void sleep(double time_s) { std::this_thread::sleep_for(std::chrono::duration<double>(time_s)); }

/// A delta each `pace_s`, or one after the other at 0, for the time of a slice. Answers rows applied a second.
double write(Contestant& table, const std::vector<Upserts>& deltas, double pace_s) {
  std::size_t num = 0;
  const double started_s = now_s();
  while (now_s() - started_s < kSliceS) {
    const Upserts& delta = deltas[num % deltas.size()];
    table.insert(delta.keys, delta.vectors);
    ++num;
    if (pace_s > 0) sleep(std::max(0.0, started_s + static_cast<double>(num) * pace_s - now_s()));
  }
  return static_cast<double>(num * kDeltaRows) / (now_s() - started_s);
}

}  // namespace

void measure_beside(Contestant& table, const Plan& plan, Figures& figures) {
  put_rows(plan.num_rows, [&table](Keys keys, ConstFloats vectors) { table.insert(keys, vectors); });
  Places places(plan.num_rows, Distribution::kUniform, 29);
  std::vector<Upserts> deltas;
  for (std::size_t i = 0; i < 16; ++i) deltas.emplace_back(places);
  const Reader reader([&table](Keys keys, Floats out) { table.lookup(keys, out); }, plan.num_rows);
  PairedRates paced;
  PairedRates busy;
  std::vector<double> written;
  for (std::size_t round = 0; round <= plan.num_rounds; ++round) {
    const double alone = reader.rate_during([] { sleep(kSliceS); });
    const double beside_paced = reader.rate_during([&] { write(table, deltas, kPaceS); });
    const double beside_busy = reader.rate_during([&] { written.push_back(write(table, deltas, 0)); });
    if (round == 0) continue;
    paced.add(beside_paced, alone);
    busy.add(beside_busy, alone);
  }
  figures.add("reader_alone_keys_per_s", paced.reference());
  figures.add("reader_beside_writer_kept", paced.share());
  figures.add("reader_beside_busy_writer_kept", busy.share());
  figures.add("busy_writer_rows_per_s", median(written));
}

}  // namespace bench
