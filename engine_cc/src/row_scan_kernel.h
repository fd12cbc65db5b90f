#pragma once

#include <cstddef>
#include <cstdint>

// Compiled once for each instruction set: nothing with code of its own may be included here, or the linker could give the
// code for one processor to all.

namespace freshet {

/// `user` has `pairs` words, each two int16 side by side in memory; `packed` is [num_blocks][pairs][16][2]. out[r] = sum * (scales[r] * unit).
struct BlockScan {
  const std::int8_t* packed;
  const float* scales;
  const std::int32_t* user;
  std::size_t num_blocks;
  std::size_t pairs;
  float unit;
  float* out;
};

using ScanBlocks = void (*)(const BlockScan& scan) noexcept;

void scan_blocks_baseline(const BlockScan& scan) noexcept;
#if defined(__x86_64__)
void scan_blocks_avx2(const BlockScan& scan) noexcept;
void scan_blocks_avx512(const BlockScan& scan) noexcept;
#endif

}  // namespace freshet
