#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "background.h"
#include "keys.h"

namespace bench {

/// Looks keys up on a thread of its own, 512 at a time, for as long as it lives, and counts them.
class Reader {
 public:
  using Lookup = std::function<void(Keys, Floats)>;

  Reader(Lookup lookup, std::uint32_t num_rows);

  /// Keys a second while `work` runs.
  double rate_during(const std::function<void()>& work) const;

 private:
  void read();

  Lookup lookup_;
  std::vector<std::uint64_t> keys_;
  std::vector<float> out_;
  std::size_t at_ = 0;
  std::atomic<std::uint64_t> num_read_ = 0;
  Background background_;  // last, so that it stops first
};

}  // namespace bench
