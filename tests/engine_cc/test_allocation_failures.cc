// Whichever allocation of whichever operation fails: the table is valid, says so, and the same call can be made again.
// Every operation is tried on the same prepared table with the first of its allocations failing, then the second, and
// so on until none is left; each try on a thread of its own, which starts without the memory that a thread keeps between
// batches. Mappings are failed as well.

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

#include "allocation_scene.h"
#include "check.h"
#include "failing_allocations.h"

namespace {

long mappings_until_failure = freshet::testing::kNever;
bool all_further_mappings_fail = false;
long num_failed_mappings = 0;

}  // namespace

/// In place of the library's, for all of this program but the C library itself.
extern "C" void* mmap(void* address, std::size_t bytes, int protection, int flags, int file,
                      off_t offset) noexcept {
  if (mappings_until_failure == 0) {
    if (!all_further_mappings_fail) mappings_until_failure = freshet::testing::kNever;
    ++num_failed_mappings;
    return MAP_FAILED;
  }
  if (mappings_until_failure > 0) --mappings_until_failure;
  const long mapped = syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
  return mapped == -1 ? MAP_FAILED : reinterpret_cast<void*>(mapped);
}

using namespace freshet;
using namespace freshet::testing;

namespace {

const Act kNothing = [](Scene&) {};
const Act kBeginCheckpoint = [](Scene& scene) {
  scene.checkpoint = std::make_unique<Checkpoint>(*scene.table, false);
};

// Beside a checkpoint every shard with a change takes a block of 2 MiB, so these are few.
const Fids kFew = joined(numbers(5, 9), crowd(9));
const Fids kMixed = joined(numbers(5, 50), joined(numbers(1000, 1100), crowd(12)));

void test_assign() {
  const Act act = [](Scene& scene) { assign(*scene.table, kMixed, 0, 5.0F); };
  fail_every_allocation(options_of(), kNothing, act, Again::kIsEqual, 5);
}

void test_assign_beside_a_checkpoint() {
  const Act act = [](Scene& scene) { assign(*scene.table, kFew, 0, 5.0F); };
  fail_every_allocation(options_of(), kBeginCheckpoint, act, Again::kIsEqual, 5);
}

void test_erase() {
  const auto act = [](std::uint64_t end) {
    return [end](Scene& scene) { scene.table->erase(numbers(0, end)); };
  };
  fail_every_allocation(options_of(), kNothing, act(45), Again::kIsEqual, 5);
  fail_every_allocation(options_of(), kBeginCheckpoint, act(4), Again::kIsEqual, 5);
}

void test_sighting() {
  const Act act = [](Scene& scene) {
    see(*scene.table, kMixed, 0, kNowS);
    see(*scene.table, numbers(200, 260), 1, kNowS);
  };
  fail_every_allocation(options_of(), kNothing, act, Again::kWorks, 10);
}

void test_a_training_step() {
  const Act act = [](Scene& scene) {
    const std::uint32_t now_s = kNowS;
    const SightedBatch batch = scene.table->sight(kMixed, slots_for(kMixed, 0), std::span(&now_s, 1));
    Floats out(batch.fids.size() * kDim);
    scene.table->gather(batch, out);
    scene.table->erase(numbers(20, 22));  // so that some rows must be found again
    scene.table->apply(batch, vectors_for(batch.fids, 1.0F), 0.1F);
  };
  fail_every_allocation(options_of(), kNothing, act, Again::kWorks, 10);
}

void test_apply_gradients() {
  const auto act = [](std::uint64_t end) {
    return [end](Scene& scene) {
      const Fids fids = joined(numbers(0, end), numbers(0, end));
      scene.table->apply_gradients(fids, vectors_for(fids, 1.0F), 0.1F);
    };
  };
  fail_every_allocation(options_of(), kNothing, act(60), Again::kWorks, 7);
  fail_every_allocation(options_of(), kBeginCheckpoint, act(4), Again::kWorks, 5);
}

void test_eviction() {
  const Act expire = [](Scene& scene) { scene.table->expire(kNowS, SIZE_MAX); };
  fail_every_allocation(options_of(), kNothing, expire, Again::kIsEqual, 5);
  const auto overflow = [](std::uint64_t num) {
    return [num](Scene& scene) { see(*scene.table, numbers(2000, 2000 + num), 0, kNowS); };
  };
  fail_every_allocation(options_of(60, Evict::kLeastRecent), kNothing, overflow(12), Again::kWorks, 10);
  fail_every_allocation(options_of(60, Evict::kLeastOften), kBeginCheckpoint, overflow(3), Again::kWorks, 5);
}

/// The strong guarantee: a delta that cannot be exported leaves everything as it was.
void test_export_delta() {
  for (long at = 0;; ++at) {
    Scene scene(options_of());
    const auto before = state_of(*scene.table);
    if (!fails_at(at, [&] { scene.table->export_delta(SIZE_MAX); })) {
      CHECK(at >= 5);
      break;
    }
    CHECK(state_of(*scene.table) == before);
    const Delta delta = scene.table->export_delta(SIZE_MAX);
    CHECK(delta.fids.size() + delta.deleted.size() == std::get<2>(before));
    scene.check_valid();
  }
}

void test_the_end_of_a_delta() {
  const Act is_exported = [](Scene& scene) {
    scene.table->export_delta(SIZE_MAX);
    scene.table->erase(numbers(0, 3));
  };
  const Act restore = [](Scene& scene) { scene.table->restore_delta(); };
  fail_every_allocation(options_of(), is_exported, restore, Again::kIsEqual, 5);
  const Act is_delivered = [](Scene& scene) {
    const Delta delta = scene.table->export_delta(SIZE_MAX);
    scene.replica->apply_delta(delta.fids, delta.vectors, delta.deleted);
  };
  const Act acknowledge = [](Scene& scene) { scene.table->acknowledge_delta(); };
  fail_every_allocation(options_of(), is_delivered, acknowledge, Again::kIsEqual, 5);
}

void test_forget_touched() {
  const Act is_snapshot = [](Scene& scene) {
    const Delta delta = scene.table->export_delta(SIZE_MAX);
    scene.replica->apply_delta(delta.fids, delta.vectors, delta.deleted);
    scene.table->restore_delta();
  };
  const Act forget = [](Scene& scene) { scene.table->forget_touched(); };
  fail_every_allocation(options_of(), is_snapshot, forget, Again::kIsEqual, 2);
}

void test_what_only_reads() {
  const Act act = [](Scene& scene) {
    scene.table->export_rows(0, SIZE_MAX >> 44);
    scene.table->pending_deletes();
    scene.table->export_candidates();
    scene.table->export_state();
    Floats out(60 * kDim);
    scene.table->lookup(numbers(0, 60), out, Table::Absent::kInitial);
    scene.table->counters();
    scene.table->memory_bytes();
  };
  fail_every_allocation(options_of(), kNothing, act, Again::kIsEqual, 10);
}

void test_imports() {
  Table source(options_of());
  assign(source, kMixed, 0, 6.0F);
  see(source, numbers(300, 340), 1, kNowS);
  const Rows rows = source.export_rows(0, 1 << 20);
  const Candidates candidates = source.export_candidates();
  const std::vector<std::uint64_t> state = source.export_state();
  const Act act = [&](Scene& scene) {
    scene.table->import_rows(rows);
    scene.table->import_candidates(candidates);
    scene.table->import_deletes(numbers(500, 540));
  };
  fail_every_allocation(options_of(), kNothing, act, Again::kIsEqual, 10);
  // Only the counts of slots take memory, and they come before anything changes.
  CHECK(fails_at(0, [&] { source.import_state(state); }) && source.export_state() == state);
}

/// A checkpoint that cannot begin has not; one that fails on the way is given up, and the next has every row.
void test_checkpoint() {
  for (const bool is_incremental : {false, true}) {
    for (long at = 0;; ++at) {
      Scene scene(options_of());
      const bool failed = fails_at(at, [&] {
        Checkpoint checkpoint(*scene.table, is_incremental);
        {
          const Reprieve reprieve;
          assign(*scene.table, numbers(0, 4), 0, 8.0F);
          scene.table->erase(numbers(30, 32));
          see(*scene.table, crowd(12), 0, kNowS);
        }
        while (!checkpoint.next(3).fids.empty()) {
        }
      });
      // One that was read to its end has taken what changed; after one that failed nothing may be missing.
      scene.save(failed);
      scene.check_kept(records_of(*scene.table));
      scene.check_valid();
      if (failed) continue;
      CHECK(at >= 10);
      break;
    }
  }
}

void test_serving_table() {
  const Fids fids = joined(numbers(0, 60), crowd(12));
  for (long at = 0;; ++at) {
    ServingTable serving(kDim, Precision::kFloat16, kSalt);
    serving.apply_delta(numbers(0, 20), vectors_for(numbers(0, 20), 1.0F), {});
    const bool failed = fails_at(at, [&] {
      serving.apply_delta(fids, vectors_for(fids, 2.0F), numbers(0, 5));
      serving.export_rows(0, 1000);
    });
    CHECK(serving.digest() == serving.computed_digest());
    CHECK(serving.export_rows(0, 1000).fids.size() == serving.size());
    serving.apply_delta(fids, vectors_for(fids, 2.0F), numbers(0, 5));
    Floats out(fids.size() * kDim);
    serving.lookup(fids, out);
    CHECK(out == vectors_for(fids, 2.0F));
    CHECK(serving.size() == fids.size() && serving.digest() == serving.computed_digest());
    if (failed) continue;
    CHECK(at >= 5);
    break;
  }
}

/// The strong guarantee of the index, for a key that splits a segment.
void test_key_index() {
  for (long at = 0;; ++at) {
    KeyIndex<MarkedBucket> index(kSalt, nullptr);
    const Fids fids = crowd(12);
    for (std::uint32_t i = 0; i < 8; ++i) index.insert(index.hash(fids[i]), i);
    std::uint32_t num_in = 8;
    const bool failed = fails_at(at, [&] {
      for (; num_in < 12; ++num_in) index.insert(index.hash(fids[num_in]), num_in);
    });
    for (std::uint32_t i = 0; i < 12; ++i) {
      const auto place = index.find(index.hash(fids[i]));
      CHECK(static_cast<bool>(place) == (i < num_in));
      if (place) CHECK(place.row() == i);
    }
    for (; num_in < 12; ++num_in) index.insert(index.hash(fids[num_in]), num_in);
    if (failed) continue;
    CHECK(at >= 3);
    break;
  }
}

/// Whatever fails while a table is made, nothing is left behind.
void test_construction() {
  const TableOptions options = options_of();
  for (long at = 0;; ++at) {
    const std::size_t before = num_bytes_held;
    const bool failed = fails_at(at, [&] {
      Table table(options);
      ServingTable serving(kDim, Precision::kInt8, kSalt);
    });
    CHECK(num_bytes_held == before);
    if (failed) continue;
    CHECK(at >= 10);
    break;
  }
}

/// Where the system refuses addresses, less of them do (the first try is for twice the memory), and none is refused with
/// std::bad_alloc.
void test_mappings_that_fail() {
  for (const bool all_further : {false, true}) {
    for (long at = 0;; ++at) {
      num_failed_mappings = 0;
      mappings_until_failure = at;
      all_further_mappings_fail = all_further;
      std::unique_ptr<Table> table;
      std::unique_ptr<ServingTable> serving;
      bool failed = false;
      try {
        table = std::make_unique<Table>(options_of());
        serving = std::make_unique<ServingTable>(kDim, Precision::kFloat32, kSalt);
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      mappings_until_failure = kNever;
      CHECK(failed == (all_further && num_failed_mappings > 0));
      if (table && serving) {
        assign(*table, kMixed, 0, 1.0F);
        CHECK(table->size() == kMixed.size() && table->digest() == table->computed_digest());
      }
      if (num_failed_mappings > 0) continue;
      CHECK(at >= 10);
      break;
    }
  }
}

/// A range that is used up refuses more and keeps what it holds; an arena at its limit has room again after a release.
void test_memory_that_is_used_up() {
  ReservedMemory memory(1 << 21, nullptr);
  memory.grow_to(memory.capacity());
  memory.data()[memory.capacity() - 1] = std::byte{7};
  CHECK_THROWS(memory.grow_to(memory.capacity() + 1), std::bad_alloc);
  CHECK(memory.size() == memory.capacity() && memory.data()[memory.capacity() - 1] == std::byte{7});

  RowArena rows(64, 2, 4096, nullptr);
  Fids mine;
  try {
    for (;;) mine.push_back(rows.allocate(0));
  } catch (const std::length_error&) {
    CHECK(mine.size() == 4096);
  }
  CHECK_THROWS(rows.allocate(1), std::length_error);
  rows.release(static_cast<std::uint32_t>(mine[17]));
  CHECK(rows.allocate(0) == mine[17]);
}

}  // namespace

int main() {
  test_assign();
  test_assign_beside_a_checkpoint();
  test_erase();
  test_sighting();
  test_a_training_step();
  test_apply_gradients();
  test_eviction();
  test_export_delta();
  test_the_end_of_a_delta();
  test_forget_touched();
  test_what_only_reads();
  test_imports();
  test_checkpoint();
  test_serving_table();
  test_key_index();
  test_construction();
  test_mappings_that_fail();
  test_memory_that_is_used_up();
}
