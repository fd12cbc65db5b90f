#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "freshet/admission.h"
#include "freshet/mix.h"
#include "freshet/slot_rules.h"

namespace freshet::testing {

inline constexpr std::size_t kRoomy = 1'000'000;  // more candidates than any test has

inline SlotRule counting(std::uint32_t min_count, std::uint32_t window_s = 0) {
  SlotRule rule;
  rule.admission = AdmissionKind::kMinCount;
  rule.min_count = min_count;
  rule.window_s = window_s;
  return rule;
}

inline SlotRule drawing(double probability) {
  SlotRule rule;
  rule.admission = AdmissionKind::kProbability;
  rule.probability = probability;
  return rule;
}

/// Rules in which slot 1 has the given one.
inline SlotRules one_rule(const SlotRule& rule) {
  SlotRules rules;
  rules.set(1, rule);
  return rules;
}

inline Candidates exported(const AdmissionLedger& ledger) {
  Candidates candidates;
  ledger.export_to(candidates);
  return candidates;
}

inline bool same(const Candidates& one, const Candidates& other) {
  return one.fids == other.fids && one.slots == other.slots && one.counts == other.counts &&
         one.since_s == other.since_s;
}

inline void restore_backwards(AdmissionLedger& ledger, const AdmissionLedger& from, const SlotRules& rules) {
  const Candidates all = exported(from);
  for (std::size_t i = all.fids.size(); i-- > 0;) {
    ledger.restore(all.fids[i], all.slots[i], all.counts[i], all.since_s[i], rules);
  }
  ledger.restore_progress(from.progress());
}

inline SlotRules mixed_rules() {
  SlotRules rules;
  rules.set(1, counting(2));
  rules.set(2, counting(5, 7));
  rules.set(3, counting(16, 300));
  rules.set(4, counting(1, 5));
  rules.set(5, counting(40, 1000));
  return rules;  // slot 0 and 6: always
}

/// A stream of sightings whose time wanders forward, with events that come late.
class Stream {
 public:
  explicit Stream(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() { return mix64(state_ += kGolden64); }

  template <typename See>
  void run(std::size_t num_steps, std::uint64_t num_fids, See see) {
    for (std::size_t i = 0; i < num_steps; ++i) {
      const std::uint64_t word = next();
      const std::uint64_t fid =
          std::min(word % num_fids, (word >> 20) % num_fids);  // small numbers more often
      if (word >> 62 == 0) ++now_s_;
      const std::uint64_t late_s = next() % 8 == 0 ? next() % 500 : 0;
      const auto event_s = static_cast<std::uint32_t>(now_s_ > late_s ? now_s_ - late_s : 0);
      see(fid, static_cast<std::uint16_t>(fid % 7), static_cast<std::uint32_t>(1 + next() % 3), event_s);
    }
  }

 private:
  std::uint64_t state_;
  std::uint64_t now_s_ = 100;
};

}  // namespace freshet::testing
