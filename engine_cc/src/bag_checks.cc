#include "bag_checks.h"

#include <algorithm>
#include <stdexcept>

#include "freshet/dispatch.h"

namespace freshet {
namespace {

/// The greatest member + 1 in unsigned arithmetic; without a branch for each, which is what the compiler can vectorise.
FRESHET_CLONES std::uint32_t greatest_after(std::span<const std::int32_t> members) noexcept {
  std::uint32_t greatest = 0;
  for (const std::int32_t member : members) {
    greatest = std::max(greatest, static_cast<std::uint32_t>(member) + 1U);
  }
  return greatest;
}

FRESHET_CLONES bool ascends(std::span<const std::int64_t> splits) noexcept {
  std::uint32_t num_falls = 0;
  for (std::size_t i = 1; i < splits.size(); ++i) num_falls += splits[i] < splits[i - 1] ? 1U : 0U;
  return num_falls == 0;
}

}  // namespace

[[noreturn]] void refuse_bags(const std::string& element, const std::string& rule,
                              const std::string& received) {
  throw std::invalid_argument(element + " " + rule + ", received " + received);
}

void check_splits(std::span<const std::int64_t> splits, std::size_t num_positions) {
  const auto element = [](std::size_t i) { return "splits[" + std::to_string(i) + "]"; };
  if (splits.empty()) refuse_bags("splits", "must have one element more than there are bags", "none");
  if (splits.front() != 0) refuse_bags(element(0), "must be 0", std::to_string(splits.front()));
  const std::size_t num_compared = ascends(splits) ? 0 : splits.size();
  for (std::size_t i = 1; i < num_compared; ++i) {
    if (splits[i] >= splits[i - 1]) continue;
    refuse_bags(element(i), "must not be below the one before, " + std::to_string(splits[i - 1]),
                std::to_string(splits[i]));
  }
  if (static_cast<std::uint64_t>(splits.back()) == num_positions) return;
  refuse_bags(element(splits.size() - 1), "must be the number of members, " + std::to_string(num_positions),
              std::to_string(splits.back()));
}

void check_members(std::span<const std::int32_t> members, std::size_t num_rows) {
  // A member of -1 becomes 0 and num_rows - 1 becomes num_rows; what is below or above is too large.
  const auto is_wrong = [=](std::int32_t member) {
    return static_cast<std::uint32_t>(member) + 1U > num_rows;
  };
  if (greatest_after(members) <= num_rows) return;
  const auto wrong = std::find_if(members.begin(), members.end(), is_wrong);
  refuse_bags("members[" + std::to_string(wrong - members.begin()) + "]",
              "must be -1 or a row number below " + std::to_string(num_rows), std::to_string(*wrong));
}

}  // namespace freshet
