#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <type_traits>

#include "contestant.h"
#include "huge_array.h"

namespace bench {

template <typename Row>
Row new_row(const float* vector) {
  Row row;
  std::memcpy(row.values, vector, sizeof row.values);
  if constexpr (std::is_same_v<Row, VectorAndState>) std::fill_n(row.state, kDim, kInitialAccumulator);
  return row;
}

template <typename Row>
void copy_vector(const Row& row, float* out) {
  std::memcpy(out, row.values, sizeof row.values);
}

template <typename Row>
void step(Row& row, const float* grad) {
  if constexpr (std::is_same_v<Row, VectorAndState>) {
    bench::adagrad(row.values, row.state, grad);
  } else {
    throw std::logic_error("a table without state cannot learn");
  }
}

/// Asks for what is about to be used of a row: to look up its vector, to write all of it.
template <bool kToWrite, typename Row>
void prefetch_row(const Row* row) {
  constexpr std::size_t kUsed = kToWrite ? sizeof(Row) : sizeof(Vector);
  const auto* bytes = reinterpret_cast<const char*>(row);
  for (std::size_t at = 0; at < kUsed; at += 64) __builtin_prefetch(bytes + at, kToWrite);
  __builtin_prefetch(bytes + kUsed - 1, kToWrite);
}

/// A map with the interface of std::unordered_map, its rows in its nodes or cells. A group of keys is found before the
/// first row is used, so that the misses of the group overlap: a loop of find and update, key by key, was measured at a
/// third of the rate.
template <typename Map>
class InlineRows final : public Contestant {
 public:
  using Row = typename Map::mapped_type;

  void insert(Keys keys, ConstFloats vectors) override {
    for (std::size_t i = 0; i < keys.size(); ++i) map_.try_emplace(keys[i], new_row<Row>(&vectors[i * kDim]));
  }

  void lookup(Keys keys, Floats out) const override {
    for_each_row<false>(map_, keys, [&](std::size_t i, const Row* row) {
      if (row == nullptr) {
        std::fill_n(&out[i * kDim], kDim, 0.0F);
      } else {
        copy_vector(*row, &out[i * kDim]);
      }
    });
  }

  void adagrad(Keys keys, ConstFloats grads) override {
    for_each_row<true>(map_, keys, [&](std::size_t i, Row* row) { step(*row, &grads[i * kDim]); });
  }

  std::size_t size() const override { return map_.size(); }

 private:
  static constexpr std::size_t kGroup = 64;

  template <bool kToWrite, typename AnyMap, typename Visit>
  static void for_each_row(AnyMap& map, Keys keys, Visit visit) {
    std::array<decltype(&map.begin()->second), kGroup> found;
    for (std::size_t start = 0; start < keys.size(); start += kGroup) {
      const std::size_t num = std::min(kGroup, keys.size() - start);
      for (std::size_t i = 0; i < num; ++i) {
        const auto at = map.find(keys[start + i]);
        found[i] = at == map.end() ? nullptr : &at->second;
        if (found[i] != nullptr) prefetch_row<kToWrite>(found[i]);
      }
      for (std::size_t i = 0; i < num; ++i) visit(start + i, found[i]);
    }
  }

  Map map_;
};

}  // namespace bench
