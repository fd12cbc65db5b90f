#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "freshet/serving_table.h"
#include "freshet_options.h"
#include "keys.h"
#include "measure.h"
#include "reader.h"
#include "slices.h"

namespace bench {
namespace {

constexpr std::size_t kTouched = 100'000;

void fill(freshet::Table& table, freshet::ServingTable& serving, std::uint32_t num_rows) {
  const std::vector<std::uint16_t> slots(kLargeBatch, kSlot);
  put_rows(num_rows, [&](Keys keys, ConstFloats vectors) {
    table.assign(keys, {slots.data(), keys.size()}, vectors);
    serving.apply_delta(keys, vectors, {});
  });
  table.forget_touched();
}

}  // namespace

void measure_delta(const Plan& plan, Figures& figures) {
  freshet::Table table(freshet_options(true));
  freshet::ServingTable serving(kDim, freshet::Precision::kFloat16, kSalt);
  fill(table, serving, plan.num_rows);
  const std::size_t num_touched = std::min<std::size_t>(kTouched, plan.num_rows / 10);
  Places places(plan.num_rows, Distribution::kUniform, 31);
  const std::vector<float> grads(num_touched * kDim, 0.01F);
  const Reader reader([&serving](Keys keys, Floats out) { serving.lookup(keys, out); }, plan.num_rows);
  std::vector<double> exported_s;
  std::vector<double> applied_s;
  PairedRates kept;
  for (std::size_t round = 0; round <= plan.num_rounds; ++round) {
    table.apply_gradients(keys_at(places.draw_distinct(num_touched)), grads, kLearningRate);
    freshet::Delta delta;
    const double export_s = seconds_of([&] { delta = table.export_delta(num_touched); });
    BENCH_CHECK(delta.fids.size() == num_touched && table.num_touched() == 0, "the number of touched rows");
    table.acknowledge_delta();
    double apply_s = 0;
    const double beside = reader.rate_during([&] {
      apply_s = seconds_of([&] { serving.apply_delta(delta.fids, delta.vectors, delta.deleted); });
    });
    const double alone =
        reader.rate_during([&] { std::this_thread::sleep_for(std::chrono::duration<double>(apply_s)); });
    if (round == 0) continue;
    exported_s.push_back(export_s);
    applied_s.push_back(apply_s);
    kept.add(beside, alone);
  }
  figures.add("delta_rows", static_cast<double>(num_touched));
  figures.add("delta_export_ms", 1'000 * median(exported_s));
  figures.add("delta_export_max_ms", 1'000 * *std::max_element(exported_s.begin(), exported_s.end()));
  figures.add("delta_apply_ms", 1'000 * median(applied_s));
  figures.add("delta_apply_max_ms", 1'000 * *std::max_element(applied_s.begin(), applied_s.end()));
  figures.add("delta_readers_kept", kept.share());
}

}  // namespace bench
