#include <unordered_map>

#include "families.h"
#include "maps.h"

namespace bench {

std::unique_ptr<Contestant> make_std(bool with_state) {
  if (with_state) return std::make_unique<InlineRows<std::unordered_map<std::uint64_t, VectorAndState>>>();
  return std::make_unique<InlineRows<std::unordered_map<std::uint64_t, Vector>>>();
}

}  // namespace bench
