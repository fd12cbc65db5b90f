// A fuzz target: bytes are operations on a Table, a ServingTable that gets its deltas, and a model of both; it aborts at
// the first disagreement. The library's tests replay the files of corpus/ and random inputs (fuzz_replay.cc). To search
// for new ones, from the top of the repository:
//
//   libFuzzer (of clang 18 or newer, which knows the processor features that are asked for):  clang++ -std=c++20 -O1 -g -ffp-contract=off -fsanitize=fuzzer,address,undefined -Iengine_cc/include
//                 engine_cc/src/*.cc tests/engine_cc/fuzz_table.cc -lpthread -o build/fuzz_table
//               build/fuzz_table -max_len=600 build/found tests/engine_cc/corpus
//   AFL++:      the same with afl-clang-fast++, which brings a main of its own for LLVMFuzzerTestOneInput
//
// A file worth keeping goes to corpus/ under its hash; `build/fuzz_table -merge=1 tests/engine_cc/corpus build/found`
// copies those that reach something new.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "fuzz_session.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  freshet::testing::FuzzSession session({data, size});
  session.run();
  return 0;
}
