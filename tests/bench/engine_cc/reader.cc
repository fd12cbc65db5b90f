#include "reader.h"

#include "measure.h"
#include "slices.h"

namespace bench {

Reader::Reader(Lookup lookup, std::uint32_t num_rows)
    : lookup_(std::move(lookup)),
      keys_(keys_at(Places(num_rows, Distribution::kUniform, 23).draw(64 * kLargeBatch))),
      out_(kSmallBatch * kDim),
      background_([this] { read(); }) {}

void Reader::read() {
  lookup_({&keys_[at_], kSmallBatch}, out_);
  at_ = (at_ + kSmallBatch) % keys_.size();
  num_read_.fetch_add(kSmallBatch, std::memory_order_relaxed);
}

double Reader::rate_during(const std::function<void()>& work) const {
  const std::uint64_t before = num_read_.load(std::memory_order_relaxed);
  const double took_s = seconds_of(work);
  return static_cast<double>(num_read_.load(std::memory_order_relaxed) - before) / took_s;
}

}  // namespace bench
