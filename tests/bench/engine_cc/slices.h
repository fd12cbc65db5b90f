#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

namespace bench {

inline double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <typename Work>
double seconds_of(Work&& work) {
  const double started_s = now_s();
  work();
  return now_s() - started_s;
}

/// The middle value; of an even number the mean of the two. `values` is not empty.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// What two things that took turns did: the rate of the first, and the median of its ratios to the second in the same
/// round. Rates here drift by a factor of two within minutes; the ratio of neighbouring slices does not.
class PairedRates {
 public:
  void add(double rate, double reference) {
    rates_.push_back(rate);
    references_.push_back(reference);
    shares_.push_back(rate / reference);
  }
  double rate() const { return median(rates_); }
  double reference() const { return median(references_); }
  double share() const { return median(shares_); }

 private:
  std::vector<double> rates_;
  std::vector<double> references_;
  std::vector<double> shares_;
};

/// Runs `work(thread)` for threads 0 .. num_threads - 1 together, each held on a core of its own; answers the seconds
/// from when all were ready until the last was done.
double seconds_together(std::size_t num_threads, const std::function<void(std::size_t)>& work);

}  // namespace bench
