#include "freshet/admission.h"

#include <algorithm>
#include <stdexcept>
#include <tuple>

#include "freshet/mix.h"

namespace freshet {

namespace {

/// Sets the draws of admission apart from every other use of the table's seed.
constexpr std::uint64_t kAdmissionStream = 0x61646D697373696FULL;

std::uint32_t windows_passed(std::uint32_t since_s, std::uint32_t now_s, std::uint32_t window_s) noexcept {
  return window_s == 0 || now_s <= since_s ? 0 : (now_s - since_s) / window_s;
}

std::uint32_t halved(std::uint32_t count, std::uint32_t times) noexcept {
  return times < 32 ? count >> times : 0;
}

/// The count that an entry still has at `now_s`; 0 where the slot's rule does not count.
std::uint32_t count_at(std::uint32_t count, std::uint32_t since_s, const SlotRule& rule,
                       std::uint32_t now_s) noexcept {
  if (rule.admission != AdmissionKind::kMinCount) return 0;
  return halved(count, windows_passed(since_s, now_s, rule.window_s));
}

/// A uniform number in [0, 1) from the top 53 bits.
double unit(std::uint64_t word) noexcept { return static_cast<double>(word >> 11) * 0x1p-53; }

}  // namespace

AdmissionLedger::AdmissionLedger(std::uint64_t seed, std::size_t max_candidates, std::uint64_t salt)
    : seed_(seed), max_candidates_(max_candidates), candidates_(salt) {
  if (max_candidates == 0) throw std::invalid_argument("max_candidates: must be at least 1 (received 0)");
}

bool AdmissionLedger::sight(std::uint64_t fid, std::uint16_t slot, const SlotRules& rules,
                            std::uint32_t num_sightings, std::uint32_t now_s, std::uint64_t draw) {
  if (num_sightings == 0) return false;
  const SlotRule& rule = rules.of(slot);
  if (rule.admission == AdmissionKind::kMinCount && rule.min_count > 1) {
    return count(fid, slot, rules, num_sightings, now_s);
  }
  const bool admitted =
      rule.admission != AdmissionKind::kProbability || draws(fid, rule.probability, num_sightings, draw);
  if (admitted) candidates_.erase(fid);  // counted under an earlier rule of its slot
  return admitted;
}

bool AdmissionLedger::count(std::uint64_t fid, std::uint16_t slot, const SlotRules& rules,
                            std::uint32_t num_sightings, std::uint32_t now_s) {
  const SlotRule& rule = rules.of(slot);
  Candidate* const known = candidates_.find(fid);
  Candidate entry{0, now_s, slot};
  if (known != nullptr) {
    const std::uint32_t passed = windows_passed(known->since_s, now_s, rule.window_s);
    entry.count = halved(known->count, passed);
    if (entry.count != 0) entry.since_s = known->since_s + passed * rule.window_s;
  }
  const std::uint64_t total = std::uint64_t{entry.count} + num_sightings;
  if (total >= rule.min_count) {
    if (known != nullptr) candidates_.erase(fid);
    return true;
  }
  const bool decayed = known != nullptr && entry.count == 0;
  entry.count = static_cast<std::uint32_t>(total);
  if (known != nullptr) {
    *known = entry;
  } else {
    if (candidates_.size() >= max_candidates_) make_room(rules, now_s);
    candidates_.insert(fid, entry);
  }
  if (decayed) ++progress_.num_decayed;
  return false;
}

bool AdmissionLedger::draws(std::uint64_t fid, double probability, std::uint32_t num_sightings,
                            std::uint64_t draw) const noexcept {
  const std::uint64_t of_fid = mix64(mix64(seed_ ^ kAdmissionStream) ^ fid);
  std::uint64_t state = mix64(of_fid + draw * kGolden64);
  for (std::uint32_t i = 0; i < num_sightings; ++i) {
    state += kGolden64;
    if (unit(mix64(state)) < probability) return true;
  }
  return false;
}

std::size_t AdmissionLedger::sweep(const SlotRules& rules, std::uint32_t now_s,
                                   std::size_t max_entries) noexcept {
  const std::size_t before = candidates_.size();
  std::size_t to_see = std::min(max_entries, before);
  const auto keep = [&](std::uint64_t, const Candidate& entry) {
    --to_see;
    return count_at(entry.count, entry.since_s, rules.of(entry.slot), now_s) != 0;
  };
  // At most once around: the second round starts at the beginning and ends where the first one started.
  for (int round = 0; round < 2 && to_see != 0; ++round) {
    progress_.hand = candidates_.visit(progress_.hand, to_see, keep);
  }
  const std::size_t num_forgotten = before - candidates_.size();
  progress_.num_decayed += num_forgotten;
  return num_forgotten;
}

void AdmissionLedger::make_room(const SlotRules& rules, std::uint32_t now_s) noexcept {
  const std::size_t before = candidates_.size();
  std::size_t to_see = std::min(kExamined, before);
  std::uint64_t victim = 0;
  auto lowest = std::make_tuple(std::uint32_t{UINT32_MAX}, std::uint32_t{UINT32_MAX});
  bool has_victim = false;
  const auto keep = [&](std::uint64_t fid, const Candidate& entry) {
    --to_see;
    const std::uint32_t left = count_at(entry.count, entry.since_s, rules.of(entry.slot), now_s);
    const auto worth = std::make_tuple(left, entry.since_s);
    if (left != 0 && (!has_victim || worth < lowest)) {
      victim = fid;
      lowest = worth;
      has_victim = true;
    }
    return left != 0;
  };
  for (int round = 0; round < 2 && to_see != 0; ++round) {
    progress_.hand = candidates_.visit(progress_.hand, to_see, keep);
  }
  if (const std::size_t num_forgotten = before - candidates_.size(); num_forgotten != 0) {
    progress_.num_decayed += num_forgotten;
  } else {
    candidates_.erase(victim);
    ++progress_.num_dropped;
  }
}

void AdmissionLedger::export_to(Candidates& out) const {
  // All four grow before anything is written, so that they stay of one length.
  const std::size_t start = out.fids.size();
  const std::size_t end = start + candidates_.size();
  out.fids.reserve(end);
  out.slots.reserve(end);
  out.counts.reserve(end);
  out.since_s.reserve(end);
  candidates_.for_each([&out](std::uint64_t fid, const Candidate& entry) {
    out.fids.push_back(fid);
    out.slots.push_back(entry.slot);
    out.counts.push_back(entry.count);
    out.since_s.push_back(entry.since_s);
  });
}

void AdmissionLedger::restore(std::uint64_t fid, std::uint16_t slot, std::uint32_t count,
                              std::uint32_t since_s, const SlotRules& rules) {
  if (count == 0) return;
  const Candidate entry{count, since_s, slot};
  if (Candidate* const known = candidates_.find(fid); known != nullptr) {
    *known = entry;
    return;
  }
  if (candidates_.size() >= max_candidates_) make_room(rules, 0);
  candidates_.insert(fid, entry);
}

}  // namespace freshet
