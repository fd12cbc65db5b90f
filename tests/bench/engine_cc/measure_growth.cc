#include <algorithm>
#include <stdexcept>
#include <vector>

#include "batches.h"
#include "measure.h"
#include "memory.h"
#include "slices.h"

namespace bench {
namespace {

/// The seconds that each batch took. Making keys and vectors is not counted.
std::vector<double> grow(Contestant& table, std::uint32_t num_rows) {
  std::vector<double> took_s;
  put_rows(num_rows, [&](Keys keys, ConstFloats vectors) {
    took_s.push_back(seconds_of([&] { table.insert(keys, vectors); }));
  });
  BENCH_CHECK(table.size() == num_rows, "the number of rows");
  return took_s;
}

double sum(const std::vector<double>& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

/// Tables that double take the same steps with a sixteenth of the rows, so a small one tells what a large one will ask for.
void warm_for(const Entry& entry, const Plan& plan) {
  constexpr std::size_t kScale = 16;
  const Allocated before = allocated();
  const std::size_t resident_before = resident_bytes();
  forget_peak();
  {
    const auto small = entry.make(plan.with_state);
    grow(*small, static_cast<std::uint32_t>(plan.num_rows / kScale));
  }
  const Allocated after = allocated();
  const std::size_t large = after.large_bytes - before.large_bytes + (4 << 20);
  const std::size_t small = after.small_bytes - before.small_bytes;
  const std::size_t touched = peak_resident_bytes() - resident_before;
  warm({kScale * large, kScale * small});
  warm_guest(kScale * (touched - std::min(touched, large + small)));
}

}  // namespace

void measure_memory(const Entry& entry, const Plan& plan, Figures& figures) {
  const std::size_t before = resident_bytes();
  forget_peak();
  const auto table = entry.make(plan.with_state);
  const double took_s = sum(grow(*table, plan.num_rows));
  const std::size_t state_bytes = plan.with_state ? kDim * sizeof(float) : 0;
  const auto payload =
      static_cast<double>((sizeof(std::uint64_t) + table->vector_bytes() + state_bytes) * plan.num_rows);
  const double held = static_cast<double>(resident_bytes() - before);
  const double peak = static_cast<double>(peak_resident_bytes() - before);
  figures.add("cold_growth_keys_per_s", plan.num_rows / took_s);
  figures.add("resident_bytes_per_row", held / plan.num_rows);
  figures.add("resident_bytes_over_payload", held / payload);
  figures.add("peak_bytes_over_steady", peak / held);
  if (table->memory_bytes() != 0) {
    figures.add("bytes_over_payload", static_cast<double>(table->memory_bytes()) / payload);
  }
}

std::unique_ptr<Contestant> measure_growth(const Entry& entry, const Plan& plan, Figures& figures) {
  warm_for(entry, plan);
  auto table = entry.make(plan.with_state);
  table->warm(plan.num_rows);
  const std::vector<double> took_s = grow(*table, plan.num_rows);
  figures.add("growth_keys_per_s", plan.num_rows / sum(took_s));
  figures.add("growth_batch_p50_ms", 1'000 * median(took_s));
  figures.add("growth_batch_max_ms", 1'000 * *std::max_element(took_s.begin(), took_s.end()));
  return table;
}

}  // namespace bench
