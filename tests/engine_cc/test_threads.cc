// Readers and writers may meet: a replica's reader sees a row before or after a delta, never in the middle of one, and
// a training table's reader sees only what was written to that row.

#include <atomic>
#include <thread>

#include "check.h"
#include "tables.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

constexpr std::uint32_t kDim = 32;
const Fids kWatched = {1, 2, 3};

/// Calls `look(seen)` with what a reader sees of the watched rows while `write(round)` runs.
template <typename AnyTable, typename Write, typename Look>
void run_beside(const AnyTable& table, Write write, Look look) {
  write(0);
  std::atomic<bool> done{false};
  std::atomic<bool> wrong{false};
  std::thread reader([&] {
    while (!done) {
      if (!look(lookup(table, kWatched))) wrong = true;
    }
  });
  for (std::uint64_t round = 1; round <= 300; ++round) {
    write(round);
    if (round % 50 == 0) std::this_thread::yield();
  }
  done = true;
  reader.join();
  CHECK(!wrong);
}

Floats rows_of(const Fids& fids, std::uint64_t round) {
  Floats vectors;
  for (const std::uint64_t fid : fids) {
    vectors.insert(vectors.end(), kDim, static_cast<float>(fid < 10 ? round * 4 + fid : 0));
  }
  return vectors;
}

Fids watched_and_others(std::uint64_t round) {
  Fids fids = kWatched;
  for (std::uint64_t i = 0; i < 200; ++i) fids.push_back(round * 1000 + 1000 + i);
  return fids;
}

void test_a_replica_shows_no_torn_row(Precision precision) {
  ServingTable replica(kDim, precision, 99);
  const auto write = [&](std::uint64_t round) {
    const Fids fids = watched_and_others(round);
    Fids gone;
    if (round > 20) gone = watched_and_others(round - 20);
    gone.erase(gone.begin(),
               gone.begin() + std::min<std::ptrdiff_t>(3, static_cast<std::ptrdiff_t>(gone.size())));
    replica.apply_delta(fids, rows_of(fids, round), gone);
  };
  run_beside(replica, write, [](const Floats& seen) {
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (seen[i] != seen[i / kDim * kDim]) return false;
    }
    return true;
  });
  CHECK(replica.size() == 3 + 21 * 200);
}

void test_a_table_shows_floats_of_that_row_alone() {
  Table table(options_of(kDim));
  const auto write = [&](std::uint64_t round) {
    table.assign(kWatched, slots_for(kWatched), rows_of(kWatched, round));
    create(table, mixed_fids(round * 200, 200));
    if (round > 20) table.erase(mixed_fids((round - 20) * 200, 200));
  };
  run_beside(table, write, [](const Floats& seen) {
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (static_cast<std::uint64_t>(seen[i]) % 4 != kWatched[i / kDim]) return false;
    }
    return true;
  });
  CHECK(table.size() == 3 + 21 * 200);
}

}  // namespace

int main() {
  test_a_replica_shows_no_torn_row(Precision::kFloat32);
  test_a_replica_shows_no_torn_row(Precision::kInt8);
  test_a_table_shows_floats_of_that_row_alone();
}
