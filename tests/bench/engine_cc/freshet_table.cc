#include <vector>

#include "families.h"
#include "freshet_options.h"

namespace bench {
namespace {

class FreshetRows : public Contestant {
 public:
  explicit FreshetRows(bool with_state) : table_(freshet_options(with_state)) {}

  void warm(std::size_t num_rows) override { table_.warm(num_rows); }
  void insert(Keys keys, ConstFloats vectors) override {
    slots_.resize(keys.size(), kSlot);
    table_.assign(keys, slots_, vectors);
  }
  void lookup(Keys keys, Floats out) const override { table_.lookup(keys, out); }
  void adagrad(Keys keys, ConstFloats grads) override { table_.apply_gradients(keys, grads, kLearningRate); }
  std::size_t size() const override { return table_.size(); }
  std::size_t memory_bytes() const override { return table_.memory_bytes(); }
  bool updates_together() const override { return true; }

 protected:
  freshet::Table table_;
  std::vector<std::uint16_t> slots_;
};

/// Grows as training does: an absent FID is sighted, admitted, initialised and answered. The vectors that it is given
/// are not used.
class FreshetCreated final : public FreshetRows {
 public:
  using FreshetRows::FreshetRows;

  void insert(Keys keys, ConstFloats) override {
    slots_.resize(keys.size(), kSlot);
    out_.resize(keys.size() * kDim);
    table_.lookup_or_create(keys, slots_, {&kNow, 1}, out_);
  }

 private:
  std::vector<float> out_;
};

}  // namespace

std::unique_ptr<Contestant> make_freshet(bool with_state) {
  return std::make_unique<FreshetRows>(with_state);
}

std::unique_ptr<Contestant> make_freshet_created(bool with_state) {
  return std::make_unique<FreshetCreated>(with_state);
}

}  // namespace bench
