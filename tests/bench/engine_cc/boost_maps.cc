#include <boost/unordered/concurrent_flat_map.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <utility>

#include "families.h"
#include "maps.h"

namespace bench {
namespace {

/// boost::concurrent_flat_map, asked in bulk: it prefetches a group of keys and visits those that are there. A visitor
/// sees an element and not which key of the group it answers, so it looks for it, from where the last one stood.
template <typename Row>
class ConcurrentRows final : public Contestant {
 public:
  using Map = boost::concurrent_flat_map<std::uint64_t, Row>;

  void insert(Keys keys, ConstFloats vectors) override {
    for (std::size_t i = 0; i < keys.size(); ++i) map_.try_emplace(keys[i], new_row<Row>(&vectors[i * kDim]));
  }

  void lookup(Keys keys, Floats out) const override {
    for_each_group(keys, [&](Keys group, std::size_t start) {
      std::size_t at = 0;
      const std::size_t num = map_.cvisit(group.begin(), group.end(), [&](const auto& element) {
        at = place_of(element.first, group, at);
        copy_vector(element.second, &out[(start + at++) * kDim]);
      });
      if (num != group.size()) lookup_singly(group, out.subspan(start * kDim, group.size() * kDim));
    });
  }

  void adagrad(Keys keys, ConstFloats grads) override {
    for_each_group(keys, [&](Keys group, std::size_t start) {
      std::size_t at = 0;
      map_.visit(group.begin(), group.end(), [&](auto& element) {
        at = place_of(element.first, group, at);
        step(element.second, &grads[(start + at++) * kDim]);
      });
    });
  }

  std::size_t size() const override { return map_.size(); }
  bool updates_together() const override { return true; }

 private:
  template <typename Visit>
  static void for_each_group(Keys keys, Visit visit) {
    for (std::size_t start = 0; start < keys.size(); start += Map::bulk_visit_size) {
      visit(keys.subspan(start, std::min(Map::bulk_visit_size, keys.size() - start)), start);
    }
  }

  static std::size_t place_of(std::uint64_t key, Keys group, std::size_t from) noexcept {
    std::size_t at = from % group.size();
    while (group[at] != key) at = (at + 1) % group.size();
    return at;
  }

  void lookup_singly(Keys keys, Floats out) const {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      float* to = &out[i * kDim];
      if (map_.cvisit(keys[i], [to](const auto& element) { copy_vector(element.second, to); }) == 0) {
        std::fill_n(to, kDim, 0.0F);
      }
    }
  }

  Map map_;
};

}  // namespace

std::unique_ptr<Contestant> make_boost_inline(bool with_state) {
  if (with_state)
    return std::make_unique<InlineRows<boost::unordered_flat_map<std::uint64_t, VectorAndState>>>();
  return std::make_unique<InlineRows<boost::unordered_flat_map<std::uint64_t, Vector>>>();
}

std::unique_ptr<Contestant> make_boost_concurrent(bool with_state) {
  if (with_state) return std::make_unique<ConcurrentRows<VectorAndState>>();
  return std::make_unique<ConcurrentRows<Vector>>();
}

}  // namespace bench
