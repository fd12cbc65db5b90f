#pragma once

#include <cstdint>

namespace freshet {

/// What a function written with intrinsics is written for. Each set holds the ones before it. Results never
/// depend on the set; a function that takes one exists so that tests and measurements can name each
/// implementation.
enum class InstructionSet : std::uint8_t {
  kBaseline,  // what every processor of the architecture has
  kAvx2,      // x86-64-v3 as far as used here: AVX2 and F16C
  kAvx512,    // x86-64-v4 as far as used here: AVX-512 F, BW, DQ and VL
};

/// Whether this processor, and the operating system's handling of its registers, can run `set`.
inline bool runs_here([[maybe_unused]] InstructionSet set) noexcept {
#if defined(__x86_64__) && defined(__GNUC__)
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("f16c") != 0;
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") != 0 &&
                      __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
                      __builtin_cpu_supports("avx512vl") != 0;
  switch (set) {
    case InstructionSet::kAvx512:
      return avx512;
    case InstructionSet::kAvx2:
      return avx2;
    case InstructionSet::kBaseline:
      return true;
  }
  return false;
#else
  return set == InstructionSet::kBaseline;
#endif
}

/// The widest set that runs here.
inline InstructionSet widest_set() noexcept {
  if (runs_here(InstructionSet::kAvx512)) return InstructionSet::kAvx512;
  return runs_here(InstructionSet::kAvx2) ? InstructionSet::kAvx2 : InstructionSet::kBaseline;
}

}  // namespace freshet
