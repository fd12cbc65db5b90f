#include "freshet/bag_layout.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "freshet/dispatch.h"

namespace freshet {
namespace {

[[noreturn]] void refuse(std::size_t slot, const std::string& rule, const std::string& received) {
  throw std::invalid_argument("offsets of slot " + std::to_string(slot) + " must " + rule + ", received " +
                              received);
}

/// Whether every row has exactly one value.
FRESHET_CLONES bool is_one_each(std::span<const std::int32_t> offsets) noexcept {
  std::uint32_t num_others = 0;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    num_others += offsets[i] == static_cast<std::int32_t>(i) ? 0U : 1U;
  }
  return num_others == 0;
}

void lay_out_one_each(std::span<const SlotColumn> slots, std::span<const std::uint32_t> seen_at_s,
                      LaidOut out) noexcept {
  const std::size_t num_rows = slots[0].fids.size();
  std::size_t at = 0;
  for (std::size_t row = 0; row < num_rows; ++row) {
    for (const SlotColumn& slot : slots) {
      out.fids[at] = slot.fids[row];
      out.slots[at] = slot.number;
      out.splits[at] = static_cast<std::int64_t>(at);
      ++at;
    }
  }
  out.splits[at] = static_cast<std::int64_t>(at);
  if (out.seen_at_s == nullptr) return;
  for (std::size_t row = 0; row < num_rows; ++row) {
    std::fill_n(out.seen_at_s + row * slots.size(), slots.size(), seen_at_s[row]);
  }
}

}  // namespace

void check_layout(std::span<const SlotColumn> slots, std::span<const std::uint32_t> seen_at_s) {
  if (slots.empty()) throw std::invalid_argument("slots must have at least one element, received none");
  for (std::size_t number = 0; number < slots.size(); ++number) {
    const SlotColumn& slot = slots[number];
    if (slot.offsets.empty() || slot.offsets.front() != 0) refuse(number, "begin with 0", "others");
    if (slot.offsets.size() != slots[0].offsets.size()) {
      refuse(number, "be of " + std::to_string(slots[0].offsets.size() - 1) + " rows, as the first slot's",
             std::to_string(slot.offsets.size() - 1));
    }
    if (!is_one_each(slot.offsets) && !std::is_sorted(slot.offsets.begin(), slot.offsets.end())) {
      refuse(number, "never decrease", "others");
    }
    if (static_cast<std::size_t>(slot.offsets.back()) != slot.fids.size()) {
      refuse(number, "end with the number of values, " + std::to_string(slot.fids.size()),
             std::to_string(slot.offsets.back()));
    }
  }
  if (!seen_at_s.empty() && seen_at_s.size() != slots[0].offsets.size() - 1) {
    throw std::invalid_argument("seen_at_s must have one element for each of " +
                                std::to_string(slots[0].offsets.size() - 1) + " rows, received " +
                                std::to_string(seen_at_s.size()));
  }
}

void lay_out(std::span<const SlotColumn> slots, std::span<const std::uint32_t> seen_at_s,
             LaidOut out) noexcept {
  if (std::all_of(slots.begin(), slots.end(),
                  [](const SlotColumn& slot) { return is_one_each(slot.offsets); })) {
    return lay_out_one_each(slots, seen_at_s, out);
  }
  const std::size_t num_rows = slots[0].offsets.size() - 1;
  std::size_t at = 0;
  std::size_t bag = 0;
  for (std::size_t row = 0; row < num_rows; ++row) {
    for (const SlotColumn& slot : slots) {
      out.splits[bag++] = static_cast<std::int64_t>(at);
      for (std::int32_t i = slot.offsets[row]; i < slot.offsets[row + 1]; ++i, ++at) {
        out.fids[at] = slot.fids[static_cast<std::size_t>(i)];
        out.slots[at] = slot.number;
        if (out.seen_at_s != nullptr) out.seen_at_s[at] = seen_at_s[row];
      }
    }
  }
  out.splits[bag] = static_cast<std::int64_t>(at);
}

}  // namespace freshet
