#include "freshet/slot_counts.h"

#include <stdexcept>
#include <string>

namespace freshet {
namespace {

constexpr std::uint64_t kForm = 1;
constexpr std::size_t kHeadWords = 2;
constexpr std::size_t kCountWords = 5;

bool is_counted(const SlotCount& count) noexcept {
  return (count.num_admitted | count.num_expired | count.num_over_budget | count.num_turned_away) != 0;
}

}  // namespace

SlotCount& SlotCounts::of(std::uint16_t slot) {
  while (counts_.size() <= slot) {
    counts_.reserve(std::size_t{slot} + 1);
    counts_.push_back({.slot = static_cast<std::uint16_t>(counts_.size())});
  }
  return counts_[slot];
}

void SlotCounts::add(const SlotCounts& other) {
  for (const SlotCount& count : other.counts_) {
    if (!is_counted(count)) continue;
    SlotCount& sum = of(count.slot);
    sum.num_admitted += count.num_admitted;
    sum.num_expired += count.num_expired;
    sum.num_over_budget += count.num_over_budget;
    sum.num_turned_away += count.num_turned_away;
  }
}

std::vector<SlotCount> SlotCounts::counted() const {
  std::vector<SlotCount> found;
  for (const SlotCount& count : counts_) {
    if (is_counted(count)) found.push_back(count);
  }
  return found;
}

void SlotCounts::export_to(std::vector<std::uint64_t>& words) const {
  const std::vector<SlotCount> found = counted();
  words.reserve(words.size() + kHeadWords + kCountWords * found.size());
  words.push_back(kForm);
  words.push_back(found.size());
  for (const SlotCount& count : found) {
    for (const std::uint64_t word : {std::uint64_t{count.slot}, count.num_admitted, count.num_expired,
                                     count.num_over_budget, count.num_turned_away}) {
      words.push_back(word);
    }
  }
}

SlotCounts SlotCounts::from(std::span<const std::uint64_t> words) {
  if (words.size() < kHeadWords || words[0] != kForm || words[1] > UINT16_MAX + 1U ||
      words.size() != kHeadWords + kCountWords * words[1]) {
    throw std::invalid_argument("state must end with the counts of slots, of form " + std::to_string(kForm) +
                                ", received " + std::to_string(words.size()) + " words of another");
  }
  SlotCounts counts;
  for (std::size_t at = kHeadWords; at < words.size(); at += kCountWords) {
    if (words[at] > UINT16_MAX) {
      throw std::invalid_argument("state must name slots 0 to 65535, received " + std::to_string(words[at]));
    }
    SlotCount& count = counts.of(static_cast<std::uint16_t>(words[at]));
    count.num_admitted = words[at + 1];
    count.num_expired = words[at + 2];
    count.num_over_budget = words[at + 3];
    count.num_turned_away = words[at + 4];
  }
  return counts;
}

}  // namespace freshet
