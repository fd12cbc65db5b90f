#include <stdexcept>

#include "families.h"

namespace bench {

const std::vector<Entry>& contestants() {
  static const std::vector<Entry> entries = {
      {"freshet", make_freshet},
      {"freshet_created", make_freshet_created},
      {"serving_float16", make_serving_float16},
      {"serving_float32", make_serving_float32},
      {"serving_int8", make_serving_int8},
#ifdef BENCH_ABSL
      {"absl_index", make_absl_index},
      {"absl_inline", make_absl_inline},
#endif
#ifdef BENCH_BOOST
      {"boost_concurrent", make_boost_concurrent},
      {"boost_inline", make_boost_inline},
#endif
#ifdef BENCH_CUCKOO
      {"cuckoo", make_cuckoo},
#endif
      {"std", make_std},
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
