#pragma once

#include <memory>

#include "contestant.h"

namespace bench {

// One maker a contestant; a family whose headers are missing is left out of the build and of `contestants()`.

std::unique_ptr<Contestant> make_absl_index(bool with_state);
std::unique_ptr<Contestant> make_absl_inline(bool with_state);
std::unique_ptr<Contestant> make_boost_concurrent(bool with_state);
std::unique_ptr<Contestant> make_boost_inline(bool with_state);
std::unique_ptr<Contestant> make_cuckoo(bool with_state);
std::unique_ptr<Contestant> make_freshet(bool with_state);
std::unique_ptr<Contestant> make_freshet_created(bool with_state);
std::unique_ptr<Contestant> make_serving_float16(bool with_state);
std::unique_ptr<Contestant> make_serving_float32(bool with_state);
std::unique_ptr<Contestant> make_serving_int8(bool with_state);
std::unique_ptr<Contestant> make_std(bool with_state);

}  // namespace bench
