#include "freshet/slot_rules.h"

#include <stdexcept>
#include <string>

namespace freshet {

namespace {

[[noreturn]] void refuse(const char* field, const char* rule, const std::string& received) {
  throw std::invalid_argument(std::string(field) + ": " + rule + " (received " + received + ")");
}

void check(const SlotRule& rule) {
  if (rule.admission > AdmissionKind::kProbability) {
    refuse("admission", "must be always (0), min_count (1) or probability (2)",
           std::to_string(static_cast<unsigned>(rule.admission)));
  }
  if (rule.min_count == 0) refuse("min_count", "must be at least 1", "0");
  if (!(rule.probability > 0 && rule.probability <= 1)) {  // so written, it refuses NaN
    refuse("probability", "must be above 0 and at most 1", std::to_string(rule.probability));
  }
}

}  // namespace

void SlotRules::set(std::uint16_t slot, const SlotRule& rule) {
  check(rule);
  if (rules_.size() <= slot) rules_.resize(std::size_t{slot} + 1);
  SlotRule& old = rules_[slot];
  num_not_always_ -= old.admission != AdmissionKind::kAlways ? 1U : 0U;
  num_expiring_ -= old.ttl_s != 0 ? 1U : 0U;
  old = rule;
  num_not_always_ += rule.admission != AdmissionKind::kAlways ? 1U : 0U;
  num_expiring_ += rule.ttl_s != 0 ? 1U : 0U;
}

}  // namespace freshet
