#include <absl/container/flat_hash_map.h>

#include <array>

#include "families.h"
#include "maps.h"

namespace bench {
namespace {

constexpr std::size_t kMaxRows = 64'000'000;
constexpr std::size_t kGroup = 64;

/// absl::flat_hash_map to a row number, rows side by side in memory that never moves; both asked for ahead, a group of
/// keys at a time.
template <typename Row>
class ArenaRows final : public Contestant {
 public:
  void insert(Keys keys, ConstFloats vectors) override {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto row = static_cast<std::uint32_t>(map_.size());
      if (row == kMaxRows) throw std::length_error("the arena is full");
      if (map_.try_emplace(keys[i], row).second) rows_[row] = new_row<Row>(&vectors[i * kDim]);
    }
  }

  void lookup(Keys keys, Floats out) const override {
    for_each_row<false>(keys, [&](std::size_t i, std::uint32_t row) {
      if (row == kAbsent) {
        std::fill_n(&out[i * kDim], kDim, 0.0F);
      } else {
        copy_vector(rows_[row], &out[i * kDim]);
      }
    });
  }

  void adagrad(Keys keys, ConstFloats grads) override {
    for_each_row<true>(keys, [&](std::size_t i, std::uint32_t row) { step(rows_[row], &grads[i * kDim]); });
  }

  std::size_t size() const override { return map_.size(); }

 private:
  static constexpr std::uint32_t kAbsent = UINT32_MAX;

  template <bool kToWrite, typename Visit>
  void for_each_row(Keys keys, Visit visit) const {
    std::array<std::uint32_t, kGroup> found;
    for (std::size_t start = 0; start < keys.size(); start += kGroup) {
      const std::size_t num = std::min(kGroup, keys.size() - start);
      for (std::size_t i = 0; i < num; ++i) map_.prefetch(keys[start + i]);
      for (std::size_t i = 0; i < num; ++i) {
        const auto at = map_.find(keys[start + i]);
        found[i] = at == map_.end() ? kAbsent : at->second;
        if (found[i] == kAbsent) continue;
        prefetch_row<kToWrite>(&rows_[found[i]]);
      }
      for (std::size_t i = 0; i < num; ++i) visit(start + i, found[i]);
    }
  }

  absl::flat_hash_map<std::uint64_t, std::uint32_t> map_;
  HugeArray<Row> rows_{kMaxRows};
};

}  // namespace

std::unique_ptr<Contestant> make_absl_inline(bool with_state) {
  if (with_state) return std::make_unique<InlineRows<absl::flat_hash_map<std::uint64_t, VectorAndState>>>();
  return std::make_unique<InlineRows<absl::flat_hash_map<std::uint64_t, Vector>>>();
}

std::unique_ptr<Contestant> make_absl_index(bool with_state) {
  if (with_state) return std::make_unique<ArenaRows<VectorAndState>>();
  return std::make_unique<ArenaRows<Vector>>();
}

}  // namespace bench
