// Readers and writers may meet: a reader sees a row before or after a batch, never in the middle of one.

#include <atomic>
#include <thread>

#include "check.h"
#include "tables.h"

using namespace freshet;
using namespace freshet::testing;

int main() {
  constexpr std::uint32_t dim = 32;
  Table table(options_of(dim));
  const Fids watched = {1, 2, 3};
  const auto write = [&](float value) {
    table.assign(watched, slots_for(watched), Floats(watched.size() * dim, value));
  };
  write(0.0F);
  std::atomic<bool> done{false};
  std::atomic<bool> torn{false};
  std::thread reader([&] {
    while (!done) {
      const Floats seen = lookup(table, watched);
      for (const float value : seen) {
        if (value != seen.front()) torn = true;
      }
    }
  });
  for (std::uint64_t round = 1; round <= 300; ++round) {
    write(static_cast<float>(round));
    Fids grown;
    for (std::uint64_t i = 0; i < 200; ++i) grown.push_back(round * 1000 + i);
    create(table, grown);
    if (round % 50 == 0) std::this_thread::yield();
  }
  done = true;
  reader.join();
  CHECK(!torn);
  CHECK(table.size() == watched.size() + 300 * 200);
}
