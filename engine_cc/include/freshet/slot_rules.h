#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace freshet {

/// How a FID earns its row.
enum class AdmissionKind : std::uint8_t {
  kAlways = 0,       // at its first sighting
  kMinCount = 1,     // at its `min_count`-th sighting
  kProbability = 2,  // at each sighting with the given probability
};

/// Admission and expiry of one slot's FIDs.
struct SlotRule {
  AdmissionKind admission = AdmissionKind::kAlways;
  std::uint32_t min_count = 1;  // >= 1; for kMinCount
  double probability = 1;       // in (0, 1]; for kProbability
  std::uint32_t window_s = 0;   // counts are halved each window_s; 0: never; for kMinCount
  std::uint32_t ttl_s = 0;      // a row unseen for longer goes; 0: never

  friend bool operator==(const SlotRule&, const SlotRule&) = default;
};

/// The rules of a table's slots. A slot that was not set has the default rule: admitted always, expires never.
///
/// Memory: one rule for each number up to the highest slot set. Not thread safe: const methods may run together.
class SlotRules {
 public:
  /// Sets a slot's rule, or replaces it. Throws std::invalid_argument, naming the field, what it must be and what was
  /// received, for a rule out of range, whether or not its kind of admission reads the field. Strong guarantee.
  void set(std::uint16_t slot, const SlotRule& rule);

  const SlotRule& of(std::uint16_t slot) const noexcept {
    return slot < rules_.size() ? rules_[slot] : default_;
  }

  /// Whether no slot's admission needs a ledger.
  bool all_always() const noexcept { return num_not_always_ == 0; }
  /// Whether any slot has a time to live.
  bool any_expires() const noexcept { return num_expiring_ != 0; }

 private:
  SlotRule default_;
  std::vector<SlotRule> rules_;  // by slot
  std::size_t num_not_always_ = 0;
  std::size_t num_expiring_ = 0;
};

}  // namespace freshet
