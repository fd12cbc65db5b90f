#include <stdexcept>

#include "families.h"
#include "freshet/serving_table.h"
#include "freshet_options.h"

namespace bench {
namespace {

/// What a replica holds: vectors alone, upserted by deltas.
class ServedRows final : public Contestant {
 public:
  explicit ServedRows(freshet::Precision precision)
      : vector_bytes_(freshet::encoded_bytes(precision, kDim)), table_(kDim, precision, kSalt) {}

  void insert(Keys keys, ConstFloats vectors) override { table_.apply_delta(keys, vectors, {}); }
  void lookup(Keys keys, Floats out) const override { table_.lookup(keys, out); }
  void adagrad(Keys, ConstFloats) override { throw std::logic_error("a serving table does not learn"); }
  std::size_t size() const override { return table_.size(); }
  std::size_t vector_bytes() const override { return vector_bytes_; }
  std::size_t memory_bytes() const override { return table_.memory_bytes(); }

 private:
  std::size_t vector_bytes_;
  freshet::ServingTable table_;
};

}  // namespace

std::unique_ptr<Contestant> make_serving_float32(bool) {
  return std::make_unique<ServedRows>(freshet::Precision::kFloat32);
}
std::unique_ptr<Contestant> make_serving_float16(bool) {
  return std::make_unique<ServedRows>(freshet::Precision::kFloat16);
}
std::unique_ptr<Contestant> make_serving_int8(bool) {
  return std::make_unique<ServedRows>(freshet::Precision::kInt8);
}

}  // namespace bench
