#pragma once

#include <cstddef>

namespace bench {

std::size_t resident_bytes();

/// The most that was resident since `forget_peak` (or the start of the process).
std::size_t peak_resident_bytes();
void forget_peak();

/// What was asked of operator new since the process began, freed or not.
struct Allocated {
  std::size_t large_bytes = 0;  // in blocks of 1 MiB and more
  std::size_t small_bytes = 0;
};
Allocated allocated() noexcept;

/// From now on large blocks come from `amount.large_bytes` of touched huge pages, one behind the other and never given
/// back, and malloc holds at least `amount.small_bytes` that are touched and free. So a table that grows after this
/// meets no page fault, and no rehash waits for one. Not to be called twice.
void warm(const Allocated& amount);

/// Touches and unmaps `num_bytes`, so that a virtual machine has them from its host when a table maps memory itself.
void warm_guest(std::size_t num_bytes);

}  // namespace bench
