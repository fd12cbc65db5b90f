// A slot has the rule that was set for it, and a rule out of range is refused.

#include <cmath>
#include <stdexcept>
#include <string>

#include "admission_streams.h"
#include "check.h"
#include "freshet/slot_rules.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

std::string refusal_of(const SlotRule& rule) {
  SlotRules rules;
  try {
    rules.set(3, rule);
  } catch (const std::invalid_argument& refused) {
    CHECK(rules.of(3) == SlotRule{} && rules.all_always());
    return refused.what();
  }
  return "";
}

void test_slots_without_a_rule_admit_always_and_never_expire() {
  SlotRules rules;
  CHECK(rules.all_always() && !rules.any_expires());
  SlotRule rule = counting(5, 60);
  rule.ttl_s = 100;
  rules.set(7, rule);
  CHECK(rules.of(7) == rule && rules.of(6) == SlotRule{} && rules.of(65535) == SlotRule{});
  CHECK(!rules.all_always() && rules.any_expires());
  rules.set(65535, drawing(0.5));
  rules.set(7, SlotRule{});
  CHECK(!rules.all_always() && !rules.any_expires());
  rules.set(65535, SlotRule{});
  CHECK(rules.all_always());
}

void test_rules_out_of_range_are_refused_with_field_rule_and_what_was_received() {
  CHECK(refusal_of(counting(0)) == "min_count: must be at least 1 (received 0)");
  CHECK(refusal_of(drawing(0)) == "probability: must be above 0 and at most 1 (received 0.000000)");
  CHECK(refusal_of(drawing(1.5)) == "probability: must be above 0 and at most 1 (received 1.500000)");
  CHECK(!refusal_of(drawing(std::nan(""))).empty());
  SlotRule unknown;
  unknown.admission = static_cast<AdmissionKind>(3);
  CHECK(refusal_of(unknown).find("(received 3)") != std::string::npos);
}

}  // namespace

int main() {
  test_slots_without_a_rule_admit_always_and_never_expire();
  test_rules_out_of_range_are_refused_with_field_rule_and_what_was_received();
}
