// A batch whose new rows push out rows that the same batch has sighted: each gradient still goes to its own FID or to
// none.

#include <cstdint>
#include <span>
#include <vector>

#include "check.h"
#include "freshet/table.h"

using namespace freshet;

int main() {
  constexpr std::uint64_t kNumRows = 64;
  TableOptions options;
  options.dim = 1;
  options.initializer.kind = InitializerKind::kZeros;
  options.optimizer.kind = OptimizerKind::kSgd;
  options.max_rows = kNumRows;
  Table table(options);
  std::vector<std::uint64_t> fids(4 * kNumRows);
  std::vector<std::uint32_t> seen_at_s(fids.size());
  for (std::size_t i = 0; i < fids.size(); ++i) {
    fids[i] = i;
    seen_at_s[i] = static_cast<std::uint32_t>(i);  // each is seen later than those before, which may go first
  }
  const SightedBatch batch = table.sight(fids, std::vector<std::uint16_t>(fids.size(), 0), seen_at_s);
  std::vector<float> grads;
  for (const std::uint64_t fid : batch.fids) grads.push_back(-static_cast<float>(fid + 1));
  const ApplyResult result = table.apply(batch, grads, 1.0F);
  CHECK(table.counters().num_over_budget > 0);
  CHECK(result.num_applied == table.size() && result.num_absent == fids.size() - table.size());
  CHECK(table.digest() == table.computed_digest());
  const Rows rows = table.export_rows(0, fids.size());
  CHECK(rows.fids.size() == table.size());
  for (std::size_t i = 0; i < rows.fids.size(); ++i) {
    CHECK(rows.vectors[i] == static_cast<float>(rows.fids[i] + 1));
  }
}
