// Replays through the fuzz target every file of the directory that is named, then random inputs from fixed seeds.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "check.h"
#include "freshet/mix.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::size_t replay_corpus(const char* directory) {
  std::size_t num_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    CHECK(file.good() || file.eof());
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    ++num_files;
  }
  return num_files;
}

void replay_random(std::uint64_t seed) {
  std::vector<std::uint8_t> bytes(50 + seed % 32 * 40);
  std::uint64_t state = seed;
  for (std::uint8_t& byte : bytes)
    byte = static_cast<std::uint8_t>(freshet::mix64(state += freshet::kGolden64));
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 2);
  CHECK(replay_corpus(argv[1]) >= 20);
  for (std::uint64_t seed = 0; seed < 300; ++seed) replay_random(seed);
}
