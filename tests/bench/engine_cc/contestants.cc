#include <stdexcept>

#include "families.h"

namespace bench {

const std::vector<Entry>& contestants() {
  static const std::vector<Entry> entries = {
      {"freshet", true, make_freshet},
#ifdef BENCH_ABSL
      {"absl_index", true, make_absl_index},
      {"absl_inline", true, make_absl_inline},
#endif
#ifdef BENCH_BOOST
      {"boost_concurrent", true, make_boost_concurrent},
      {"boost_inline", true, make_boost_inline},
#endif
#ifdef BENCH_CUCKOO
      {"cuckoo", true, make_cuckoo},
#endif
      {"std", true, make_std},
  };
  return entries;
}

const Entry& contestant_named(std::string_view name) {
  std::string known;
  for (const Entry& entry : contestants()) {
    if (entry.name == name) return entry;
    known.append(" ").append(entry.name);
  }
  throw std::invalid_argument("--contestant: not " + std::string(name) + " but one of" + known);
}

}  // namespace bench
