#pragma once

#include <cstddef>
#include <cstdint>

namespace freshet {

/// XXH64 of `size` bytes (Collet, "xxHash fast digest algorithm", section XXH64). Reentrant, no allocation,
/// O(size). `data` may be null when `size` is 0 and needs no alignment.
std::uint64_t xxh64(const void* data, std::size_t size, std::uint64_t seed) noexcept;

}  // namespace freshet
