#pragma once

#include <algorithm>
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

/// A map with the interface of std::unordered_map, its rows in its nodes or cells.
template <typename Map>
class InlineRows final : public Contestant {
 public:
  using Row = typename Map::mapped_type;

  void insert(Keys keys, ConstFloats vectors) override {
    for (std::size_t i = 0; i < keys.size(); ++i) map_.try_emplace(keys[i], new_row<Row>(&vectors[i * kDim]));
  }

  void lookup(Keys keys, Floats out) const override {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto found = map_.find(keys[i]);
      if (found == map_.end()) {
        std::fill_n(&out[i * kDim], kDim, 0.0F);
      } else {
        copy_vector(found->second, &out[i * kDim]);
      }
    }
  }

  void adagrad(Keys keys, ConstFloats grads) override {
    for (std::size_t i = 0; i < keys.size(); ++i) step(map_.find(keys[i])->second, &grads[i * kDim]);
  }

  std::size_t size() const override { return map_.size(); }

 private:
  Map map_;
};

}  // namespace bench
