#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include "freshet/dispatch.h"
#include "freshet/row_scan.h"

namespace freshet {
namespace {

constexpr float kNoBound = -std::numeric_limits<float>::infinity();

/// A bound is guessed from a sample: of about so many rows in all, or of so many of those wanted where that is fewer, which takes longer
/// than the rest where more are looked at and guesses badly where fewer are. It is where there should be twice as many as are wanted.
constexpr std::size_t kSampledOfAll = 4096;
constexpr std::size_t kSampledOfWanted = 8;
constexpr std::size_t kSpare = 2;

/// A row's product is from `least` to `most`.
struct Candidate {
  std::int32_t row;
  float least;
  float most;
};

/// Which rows count, and what the bytes say of each.
struct Scan {
  std::span<const float> products;
  float error = 0.0F;
  std::span<const float> scales;
  std::span<const bool> is_present;
  const std::span<const bool>* allowed = nullptr;

  std::size_t num_rows() const noexcept {
    return allowed == nullptr ? is_present.size() : std::min(is_present.size(), allowed->size());
  }
  bool counts(std::size_t row) const noexcept {
    return is_present[row] && (allowed == nullptr || (*allowed)[row]);
  }
  float off(std::size_t row) const noexcept { return error * scales[row] + kScanLeast; }
};

/// Marks blocks of rows that have one whose product may reach `bound`.
FRESHET_CLONES
void mark_blocks(const float* products, const float* scales, float error, float bound, std::size_t num_blocks,
                 std::uint8_t* marks) noexcept {
  for (std::size_t block = 0; block < num_blocks; ++block) {
    const std::size_t first = block * kScanBlockRows;
    int reaches = 0;
    for (std::size_t r = 0; r < kScanBlockRows; ++r) {
      reaches |= static_cast<int>(products[first + r] + (error * scales[first + r] + kScanLeast) >= bound);
    }
    marks[block] = static_cast<std::uint8_t>(reaches);
  }
}

/// What about `place` of the sampled rows reach for certain.
float bound_of_sample(const Scan& scan, std::size_t stride, std::size_t place) {
  std::vector<float> sample;
  sample.reserve(scan.num_rows() / stride + 1);
  for (std::size_t row = 0; row < scan.num_rows(); row += stride) {
    if (scan.counts(row)) sample.push_back(scan.products[row] - scan.off(row));
  }
  if (place >= sample.size()) return kNoBound;
  const auto at = sample.begin() + static_cast<std::ptrdiff_t>(place);
  std::nth_element(sample.begin(), at, sample.end(), std::greater<>());
  return *at;
}

/// Every row that counts and may reach `bound`, and how many do for certain.
std::size_t collect(const Scan& scan, float bound, std::vector<std::uint8_t>& marks,
                    std::vector<Candidate>& found) {
  found.clear();
  std::size_t num_certain = 0;
  mark_blocks(scan.products.data(), scan.scales.data(), scan.error, bound, marks.size(), marks.data());
  for (std::size_t block = 0; block < marks.size(); ++block) {
    if (marks[block] == 0) continue;
    const std::size_t end = std::min((block + 1) * kScanBlockRows, scan.num_rows());
    for (std::size_t row = block * kScanBlockRows; row < end; ++row) {
      const float off = scan.off(row);
      const float product = scan.products[row];
      if (!(product + off >= bound) || !scan.counts(row)) continue;
      found.push_back({static_cast<std::int32_t>(row), product - off, product + off});
      num_certain += product - off >= bound ? 1 : 0;
    }
  }
  return num_certain;
}

/// All that may be among the best `num`.
std::vector<Candidate> candidates_of(const Scan& scan, std::size_t num) {
  const std::size_t stride =
      std::max<std::size_t>({1, num / kSampledOfWanted, scan.num_rows() / kSampledOfAll});
  std::vector<std::uint8_t> marks((scan.num_rows() + kScanBlockRows - 1) / kScanBlockRows);
  std::vector<Candidate> found;
  for (std::size_t place = std::max(kSampledOfWanted, kSpare * num / stride);; place *= kSpare) {
    const float bound = bound_of_sample(scan, stride, place);
    if (collect(scan, bound, marks, found) >= num || bound == kNoBound) break;
  }
  if (found.size() <= num) return found;
  // As many are for certain at least as good as the last of these: what cannot be as good is not among the best.
  std::vector<float> least(found.size());
  std::transform(found.begin(), found.end(), least.begin(), [](const Candidate& one) { return one.least; });
  const auto at = least.begin() + static_cast<std::ptrdiff_t>(num - 1);
  std::nth_element(least.begin(), at, least.end(), std::greater<>());
  std::erase_if(found, [bound = *at](const Candidate& one) { return !(one.most >= bound); });
  return found;
}

float dot(const float* one, const float* other, std::size_t dim) noexcept {
  constexpr std::size_t kLanes = 8;
  float sums[kLanes] = {};
  std::size_t d = 0;
  for (; d + kLanes <= dim; d += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += one[d + lane] * other[d + lane];
  }
  for (std::size_t lane = 0; d < dim; ++d, ++lane) sums[lane] += one[d] * other[d];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

}  // namespace

std::vector<ScanFound> scan_best(const ScannedRows& rows, std::span<const float> user,
                                 const std::span<const bool>* allowed, std::size_t num, InstructionSet set) {
  if (num == 0 || rows.is_present.empty()) return {};
  const std::size_t num_blocks = (rows.is_present.size() + kScanBlockRows - 1) / kScanBlockRows;
  // As much memory for every call: what a thread has touched once it need not clear again.
  thread_local std::vector<float> products;
  if (products.size() < num_blocks * kScanBlockRows) products.resize(num_blocks * kScanBlockRows);
  const std::span<float> out = std::span(products).first(num_blocks * kScanBlockRows);
  const float error = scan_products(rows.packed, rows.scales, user, out, set);
  const Scan scan{out, error, rows.scales, rows.is_present, allowed};
  const std::vector<Candidate> candidates = candidates_of(scan, num);
  std::vector<ScanFound> found;
  found.reserve(candidates.size());
  for (const Candidate& one : candidates) {
    const float* const vector = rows.vectors.data() + static_cast<std::size_t>(one.row) * user.size();
    found.push_back({one.row, dot(vector, user.data(), user.size())});
  }
  const auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(num, found.size()));
  std::partial_sort(found.begin(), end, found.end(), [](const ScanFound& one, const ScanFound& other) {
    return one.score != other.score ? one.score > other.score : one.row < other.row;
  });
  found.erase(end, found.end());
  return found;
}

}  // namespace freshet
