#include "freshet/mix.h"

#include "freshet/dispatch.h"

namespace freshet {

FRESHET_CLONES void hash_keys(const std::uint64_t* keys, std::size_t num_keys, std::uint64_t salt,
                              std::uint64_t* out) noexcept {
  for (std::size_t i = 0; i < num_keys; ++i) out[i] = mix64(keys[i] ^ salt);
}

}  // namespace freshet
