// Everything at once: readers, writers, eviction, deltas to a serving copy with readers of its own, checkpoints. Built
// with the thread sanitizer as well (engine_cc/test.sh), which then checks every access of shared memory. Threads do a
// fixed number of rounds from fixed seeds; only how they interleave is left to chance.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <latch>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "race_checkpoints.h"
#include "race_rows.h"
#include "race_world.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

constexpr std::uint32_t kRounds = 600;

/// A third pairs, a third FIDs that come and go, a third that never had a row.
Fids readers_batch(const World& world, Draws& draws) {
  Fids fids(240);
  for (std::size_t i = 0; i < fids.size(); ++i) {
    if (i % 3 == 0) fids[i] = world.pairs[draws.below(world.pairs.size())];
    if (i % 3 == 1) fids[i] = loose_fid(draws);
    if (i % 3 == 2) fids[i] = stranger(draws);
  }
  return fids;
}

bool is_absent(const float* vector) {
  return std::all_of(vector, vector + kRaceDim, [](float value) { return value == 0; });
}

/// Whoever was never inserted is absent, whoever was never erased is there, and nobody gets another's floats.
void read_table(World& world, Draws draws) {
  const auto present = std::make_unique<bool[]>(240);
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const Fids fids = readers_batch(world, draws);
    Floats out(fids.size() * kRaceDim, -1.0F);
    world.table.lookup(fids, out, round % 4 == 0 ? Table::Absent::kInitial : Table::Absent::kZeros);
    world.table.contains(fids, std::span(present.get(), fids.size()));
    for (std::size_t i = 0; i < fids.size(); ++i) {
      const std::uint32_t version = check_own(fids[i], &out[i * kRaceDim]);
      if (i % 3 == 0 && !world.has_budget) CHECK(version >= 1 && present[i]);
      if (i % 3 == 2) CHECK(is_absent(&out[i * kRaceDim]) && !present[i]);
    }
  }
}

/// As of a table, and rows are whole, and of a FID never older than what was seen before.
void read_serving(World& world, Draws draws) {
  const auto present = std::make_unique<bool[]>(240);
  std::unordered_map<std::uint64_t, std::uint32_t> newest;
  for (std::uint32_t round = 0; round < 2 * kRounds; ++round) {
    const Fids fids = readers_batch(world, draws);
    Floats out(fids.size() * kRaceDim, -1.0F);
    world.serving.lookup(fids, out);
    world.serving.contains(fids, std::span(present.get(), fids.size()));
    for (std::size_t i = 0; i < fids.size(); ++i) {
      const std::uint32_t version = check_whole(fids[i], &out[i * kRaceDim]);
      if (i % 3 == 2) CHECK(version == 0 && !present[i]);
      if (i % 3 != 0 || world.has_budget) continue;
      CHECK(present[i] && version >= newest[fids[i]]);
      newest[fids[i]] = version;
    }
  }
}

void assign(World& world, Draws draws) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    world.assign_pairs(2 + round);
    const Fids fids = loose_fids(draws, 64);
    Floats vectors(fids.size() * kRaceDim);
    for (std::size_t i = 0; i < fids.size(); ++i) write_version(fids[i], 1 + round, &vectors[i * kRaceDim]);
    world.table.assign(fids, slots_of(fids), vectors);
  }
}

/// A training step: the rows that were sighted get their gradient, found again or not.
void train(World& world, Draws draws) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const Fids fids = loose_fids(draws, 160);
    const std::uint32_t now_s = world.now_s;
    const SightedBatch batch = world.table.sight(fids, slots_of(fids), std::span(&now_s, 1));
    Floats vectors(batch.fids.size() * kRaceDim);
    world.table.gather(batch, vectors);
    for (std::size_t i = 0; i < batch.fids.size(); ++i) check_whole(batch.fids[i], &vectors[i * kRaceDim]);
    const ApplyResult result = world.table.apply(batch, gradients_of(batch.fids), 1.0F);
    CHECK(result.num_applied + result.num_absent == batch.fids.size());
  }
}

void create_and_learn(World& world, Draws draws) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    Fids fids = loose_fids(draws, 160);
    fids[0] = fids[1];
    const std::vector<std::uint32_t> seen_at_s(fids.size(), world.now_s);
    Floats out(fids.size() * kRaceDim, -1.0F);
    world.table.lookup_or_create(fids, slots_of(fids), seen_at_s, out);
    for (std::size_t i = 0; i < fids.size(); ++i) check_whole(fids[i], &out[i * kRaceDim]);
    const ApplyResult result = world.table.apply_gradients(fids, gradients_of(fids), 1.0F);
    CHECK(result.num_applied + result.num_absent == fids.size());
  }
}

void evict(World& world, Draws draws) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    world.table.erase(loose_fids(draws, 48));
    if (round % 4 == 0) world.table.expire(++world.now_s, 2500);
  }
}

/// Every fourth delta is lost on its way and restored.
void publish(World& world, Draws draws) {
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const Delta delta = world.table.export_delta(draws.below(800));
    for (std::size_t i = 0; i < delta.fids.size(); ++i)
      check_whole(delta.fids[i], &delta.vectors[i * kRaceDim]);
    if (draws.below(4) == 0) {
      world.table.restore_delta();
      continue;
    }
    world.serving.apply_delta(delta.fids, delta.vectors, delta.deleted);
    if (draws.below(2) == 0) world.table.acknowledge_delta();
  }
}

void keep_checkpoints(World& world) {
  CheckpointKeeper keeper(world);
  keeper.keep(false);
  for (int i = 0; i < 3; ++i) keeper.keep(true);
  keeper.abandon();
  for (int i = 0; i < 3; ++i) keeper.keep(true);
}

/// What the table and its copy tell of themselves is never nonsense.
void audit(World& world) {
  std::uint64_t cursor = 0;
  const std::size_t most = world.pairs.size() + kNumLoose;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    CHECK(world.table.size() <= most && world.serving.size() <= most);
    CHECK(world.table.num_touched() <= most);
    CHECK(world.table.memory_bytes() > sizeof world.table && world.serving.memory_bytes() > 0);
    const TableCounters counters = world.table.counters();
    CHECK(counters.num_candidates <= 4096);
    const Rows rows = world.table.export_rows(cursor, 200);
    cursor = rows.fids.empty() ? 0 : rows.next_cursor;
    for (std::size_t i = 0; i < rows.fids.size(); ++i) check_whole(rows.fids[i], &rows.vectors[i * kRaceDim]);
    world.table.digest();
    world.serving.digest();
    if (round % 16 != 0) continue;
    world.table.export_state();
    CHECK(world.table.export_candidates().fids.size() <= 4096);
    CHECK(world.table.pending_deletes().size() <= most);
    const ServingTable::Part part = world.serving.export_rows(0, 500);
    for (std::size_t i = 0; i < part.fids.size(); ++i) check_whole(part.fids[i], &part.vectors[i * kRaceDim]);
  }
}

void run_together(const std::vector<std::function<void()>>& acts) {
  std::latch start(static_cast<std::ptrdiff_t>(acts.size()));
  std::vector<std::thread> threads;
  for (const auto& act : acts) {
    threads.emplace_back([&start, &act] {
      start.arrive_and_wait();
      act();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

/// After the last delta the copy is the table; every row is found, once; nothing was counted wrong.
void check_at_rest(World& world) {
  world.table.restore_delta();
  const Delta last = world.table.export_delta(SIZE_MAX);
  world.serving.apply_delta(last.fids, last.vectors, last.deleted);
  world.table.acknowledge_delta();
  CHECK(world.table.num_touched() == 0 && world.table.pending_deletes().empty());
  const Fids fids = rows_at_rest(world.table);
  CHECK(fids.size() == world.table.size() && fids.size() == world.serving.size());
  CHECK(world.table.digest() == world.table.computed_digest());
  CHECK(world.table.digest() == world.serving.digest());
  CHECK(world.serving.digest() == world.serving.computed_digest());
  const auto present = std::make_unique<bool[]>(fids.size());
  world.table.contains(fids, std::span(present.get(), fids.size()));
  CHECK(std::all_of(present.get(), present.get() + fids.size(), [](bool is) { return is; }));
  const TableCounters counters = world.table.counters();
  const std::uint64_t num_gone = counters.num_expired + counters.num_over_budget + counters.num_erased;
  CHECK(counters.num_created - num_gone == fids.size());
  CHECK(counters.num_erased > 0 && (counters.num_over_budget > 0) == world.has_budget);
}

void test_everything_at_once(std::uint64_t max_rows) {
  World world(max_rows);
  const Delta first = world.table.export_delta(SIZE_MAX);
  world.serving.apply_delta(first.fids, first.vectors, first.deleted);
  run_together({[&] { read_table(world, Draws(1)); }, [&] { read_table(world, Draws(2)); },
                [&] { read_serving(world, Draws(3)); }, [&] { read_serving(world, Draws(4)); },
                [&] { assign(world, Draws(5)); }, [&] { train(world, Draws(6)); },
                [&] { create_and_learn(world, Draws(7)); }, [&] { evict(world, Draws(8)); },
                [&] { publish(world, Draws(9)); }, [&] { keep_checkpoints(world); }, [&] { audit(world); }});
  check_at_rest(world);
}

/// All elements of a row are the same number in every delta, so elements that differ come from two deltas.
void test_no_encoded_row_is_torn(Precision precision) {
  constexpr std::uint32_t dim = 24;
  ServingTable serving(dim, precision, kSalt);
  Fids fids(1000);
  for (std::size_t i = 0; i < fids.size(); ++i) fids[i] = i;
  const auto write = [&](float value) { serving.apply_delta(fids, Floats(fids.size() * dim, value), {}); };
  write(1.0F);
  const auto read = [&](std::uint64_t seed) {
    Draws draws(seed);
    for (std::uint32_t round = 0; round < kRounds; ++round) {
      Fids some(64);
      for (std::uint64_t& fid : some) fid = draws.below(fids.size());
      Floats out(some.size() * dim);
      serving.lookup(some, out);
      for (std::size_t i = 0; i < out.size(); ++i) {
        CHECK(out[i] == out[i / dim * dim]);
        CHECK(std::abs(out[i] - std::round(out[i])) < 1e-3F);
        CHECK(out[i] > 0.5F || some[i / dim] % 2 == 0);  // odd FIDs are never deleted
      }
    }
  };
  run_together({[&] { read(1); }, [&] { read(2); },
                [&] {
                  Fids even;
                  for (std::uint64_t fid = 0; fid < fids.size(); fid += 2) even.push_back(fid);
                  for (std::uint32_t version = 2; version < 80; ++version) {
                    write(static_cast<float>(version));
                    serving.apply_delta({}, {}, even);
                  }
                }});
  CHECK(serving.size() == fids.size() / 2 && serving.digest() == serving.computed_digest());
}

}  // namespace

int main() {
  test_everything_at_once(0);
  test_everything_at_once(5000);
  test_no_encoded_row_is_torn(Precision::kFloat32);
  test_no_encoded_row_is_torn(Precision::kFloat16);
  test_no_encoded_row_is_torn(Precision::kInt8);
}
