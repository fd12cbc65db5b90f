#pragma once

// What every pooling asks of its bags.

#include <cstdint>
#include <span>
#include <string>

namespace freshet {

[[noreturn]] void refuse_bags(const std::string& element, const std::string& rule,
                              const std::string& received);

/// `splits` begins with 0, never decreases and ends with `num_positions`.
void check_splits(std::span<const std::int64_t> splits, std::size_t num_positions);

/// Each member is a row below `num_rows`, or -1.
void check_members(std::span<const std::int32_t> members, std::size_t num_rows);

}  // namespace freshet
