#include <libcuckoo/cuckoohash_map.hh>

#include "families.h"
#include "maps.h"

namespace bench {
namespace {

/// libcuckoo's own choice for integers is the identity; this is what TensorFlow Recommenders Addons gives it.
struct Murmur {
  std::size_t operator()(std::uint64_t key) const noexcept { return mixed(key); }
};

template <typename Row>
class CuckooRows final : public Contestant {
 public:
  void insert(Keys keys, ConstFloats vectors) override {
    for (std::size_t i = 0; i < keys.size(); ++i) map_.insert(keys[i], new_row<Row>(&vectors[i * kDim]));
  }

  void lookup(Keys keys, Floats out) const override {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      float* to = &out[i * kDim];
      if (!map_.find_fn(keys[i], [to](const Row& row) { copy_vector(row, to); })) std::fill_n(to, kDim, 0.0F);
    }
  }

  void adagrad(Keys keys, ConstFloats grads) override {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      map_.update_fn(keys[i], [grad = &grads[i * kDim]](Row& row) { step(row, grad); });
    }
  }

  std::size_t size() const override { return map_.size(); }
  bool updates_together() const override { return true; }

 private:
  libcuckoo::cuckoohash_map<std::uint64_t, Row, Murmur> map_;
};

}  // namespace

std::unique_ptr<Contestant> make_cuckoo(bool with_state) {
  if (with_state) return std::make_unique<CuckooRows<VectorAndState>>();
  return std::make_unique<CuckooRows<Vector>>();
}

}  // namespace bench
