#include <vector>

#include "families.h"
#include "freshet/table.h"

namespace bench {
namespace {

class FreshetRows final : public Contestant {
 public:
  explicit FreshetRows(bool with_state)
      : table_({.dim = kDim,
                .seed = 17,
                .init_scale = 0.01F,
                .initial_accumulator = kInitialAccumulator,
                .index_salt = 99}) {
    (void)with_state;
  }

  void insert(Keys keys, ConstFloats vectors) override {
    slots_.resize(keys.size(), 1);
    table_.assign(keys, slots_, vectors);
  }
  void lookup(Keys keys, Floats out) const override { table_.lookup(keys, out); }
  void adagrad(Keys keys, ConstFloats grads) override { table_.apply_gradients(keys, grads, kLearningRate); }
  std::size_t size() const override { return table_.size(); }
  std::size_t memory_bytes() const override { return table_.memory_bytes(); }
  bool updates_together() const override { return true; }

 private:
  freshet::Table table_;
  std::vector<std::uint16_t> slots_;
};

}  // namespace

std::unique_ptr<Contestant> make_freshet(bool with_state) {
  return std::make_unique<FreshetRows>(with_state);
}

}  // namespace bench
