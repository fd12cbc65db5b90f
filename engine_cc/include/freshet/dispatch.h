#pragma once

/// Marks a function that is compiled for AVX-512, AVX2 and the baseline, and chosen once at load time by what the
/// processor can do. Its result must not depend on the choice: no reduction in an order of the compiler's, no
/// contraction (the library is built with -ffp-contract=off). Empty under sanitizers, whose run time is not ready when
/// the loader resolves such a function, and where the compiler or processor has no such thing.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define FRESHET_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FRESHET_CLONES
#endif
