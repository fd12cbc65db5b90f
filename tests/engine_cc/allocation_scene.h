#pragma once

// A table with a past, and what must hold of it whatever failed; for test_allocation_failures.cc.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <thread>
#include <tuple>
#include <vector>

#include "check.h"
#include "failing_allocations.h"
#include "freshet/checkpoint.h"
#include "freshet/serving_table.h"
#include "freshet/table.h"

namespace freshet::testing {

using Fids = std::vector<std::uint64_t>;
using Floats = std::vector<float>;
inline constexpr std::uint32_t kDim = 3;
inline constexpr std::uint64_t kSalt = 7;
inline constexpr std::uint32_t kNowS = 100;

inline TableOptions options_of(std::uint64_t max_rows = 0, Evict evict_first = Evict::kLeastRecent) {
  TableOptions options;
  options.dim = kDim;
  options.index_salt = kSalt;
  options.rules.set(1, {.admission = AdmissionKind::kMinCount, .min_count = 3});
  options.rules.set(2, {.ttl_s = 10});
  options.max_rows = max_rows;
  options.evict = evict_first;
  return options;
}

/// FIDs that share both their buckets, so that the ninth splits a segment, and the directory grows with it.
inline Fids crowd(std::uint64_t num) {
  const std::uint64_t salt = mix64(kSalt + kGolden64);
  Fids fids;
  for (std::uint64_t i = 0; i < num; ++i) {
    fids.push_back(unmix64(std::uint64_t{15} << 60 | (i + 1) << 56 | 0x123456789) ^ salt);
  }
  return fids;
}

inline Fids numbers(std::uint64_t from, std::uint64_t to) {
  Fids fids;
  for (std::uint64_t fid = from; fid < to; ++fid) fids.push_back(fid);
  return fids;
}

inline Fids joined(Fids first, const Fids& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

inline std::vector<std::uint16_t> slots_for(const Fids& fids, std::uint16_t slot) {
  return std::vector<std::uint16_t>(fids.size(), slot);
}

inline Floats vectors_for(const Fids& fids, float start) {
  Floats vectors;
  for (const std::uint64_t fid : fids) {
    vectors.insert(vectors.end(), {start, static_cast<float>(fid % 1000), 1.0F});
  }
  return vectors;
}

inline void assign(Table& table, const Fids& fids, std::uint16_t slot, float start) {
  table.assign(fids, slots_for(fids, slot), vectors_for(fids, start));
}

inline void see(Table& table, const Fids& fids, std::uint16_t slot, std::uint32_t now_s) {
  Floats out(fids.size() * kDim);
  table.lookup_or_create(fids, slots_for(fids, slot), std::span(&now_s, 1), out);
}

using Record = std::tuple<std::uint16_t, std::uint32_t, std::uint8_t, std::uint8_t, Floats, Floats>;
using Records = std::map<std::uint64_t, Record>;

inline void add_records(const Rows& rows, std::size_t num_state, Records& records) {
  for (std::size_t i = 0; i < rows.fids.size(); ++i) {
    const auto vector = rows.vectors.begin() + static_cast<std::ptrdiff_t>(i * kDim);
    const auto state = rows.states.begin() + static_cast<std::ptrdiff_t>(i * num_state);
    const bool is_new = records
                            .insert({rows.fids[i],
                                     {rows.slots[i], rows.seen_at_s[i], rows.counts[i], rows.touched[i],
                                      Floats(vector, vector + kDim),
                                      Floats(state, state + static_cast<std::ptrdiff_t>(num_state))}})
                            .second;
    CHECK(is_new);  // no FID twice
  }
}

inline Records records_of(const Table& table) {
  Records records;
  for (Rows rows = table.export_rows(0, 50); !rows.fids.empty();
       rows = table.export_rows(rows.next_cursor, 50)) {
    add_records(rows, table.num_state_floats(), records);
  }
  return records;
}

/// A table, the copy that its deltas go to, and the files of its checkpoints.
struct Scene {
  std::unique_ptr<Table> table;
  std::unique_ptr<ServingTable> replica;
  Records kept;
  std::unique_ptr<Checkpoint> checkpoint;
  std::function<void()> prepared = [] {};

  explicit Scene(const TableOptions& options)
      : table(std::make_unique<Table>(options)),
        replica(std::make_unique<ServingTable>(kDim, Precision::kFloat32, kSalt + 1)) {
    assign(*table, numbers(0, 40), 0, 1.0F);
    see(*table, numbers(40, 60), 2, kNowS - 50);
    see(*table, numbers(200, 230), 1, kNowS - 50);  // candidates
    publish();
    save(false);
    assign(*table, numbers(0, 10), 0, 2.0F);
    table->erase(numbers(10, 14));
  }

  void publish() {
    const Delta delta = table->export_delta(SIZE_MAX);
    replica->apply_delta(delta.fids, delta.vectors, delta.deleted);
    table->acknowledge_delta();
  }

  void save(bool is_incremental) {
    Checkpoint running(*table, is_incremental);
    if (!running.is_incremental()) kept.clear();
    for (const std::uint64_t fid : running.erased()) kept.erase(fid);
    Records changed;
    for (Rows rows = running.next(50); !rows.fids.empty(); rows = running.next(50)) {
      add_records(rows, table->num_state_floats(), changed);
    }
    for (const auto& [fid, record] : changed) kept[fid] = record;
    CHECK(kept.size() == running.num_rows());
  }

  /// Index, rows, digest, touched rows and checkpoints agree with each other.
  void check_valid() {
    checkpoint.reset();
    const Records records = records_of(*table);
    CHECK(records.size() == table->size() && table->digest() == table->computed_digest());
    check_found(records);
    save(true);
    check_kept(records);
    save(false);
    check_kept(records);
    table->restore_delta();
    publish();
    CHECK(table->num_touched() == 0 && table->pending_deletes().empty());
    CHECK(replica->size() == table->size() && replica->digest() == table->digest());
    CHECK(replica->digest() == replica->computed_digest());
    const TableCounters counters = table->counters();
    CHECK(counters.num_created - counters.num_erased - counters.num_expired - counters.num_over_budget ==
          table->size());
    CHECK(counters.num_candidates == table->export_candidates().fids.size());
  }

  void check_found(const Records& records) const {
    Fids fids;
    for (const auto& entry : records) fids.push_back(entry.first);
    Floats out(fids.size() * kDim);
    table->lookup(fids, out);
    for (std::size_t i = 0; i < fids.size(); ++i) {
      const Floats& vector = std::get<4>(records.at(fids[i]));
      CHECK(std::equal(vector.begin(), vector.end(), &out[i * kDim]));
    }
  }

  void check_kept(const Records& records) const {
    CHECK(kept.size() == records.size());
    for (const auto& [fid, record] : records) CHECK(std::get<4>(kept.at(fid)) == std::get<4>(record));
  }
};

/// Runs the act with its `at`-th allocation failing; whether one failed.
inline bool fails_at(long at, const std::function<void()>& act) {
  bool failed = false;
  std::thread thread([&] {
    allocations_until_failure = at;
    try {
      act();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    allocations_until_failure = kNever;
  });
  thread.join();
  return failed;
}

using Act = std::function<void(Scene&)>;
enum class Again : std::uint8_t { kIsEqual, kWorks };

/// What a table looks like to whoever can wait for the next delta: rows, and what is pending.
inline auto state_of(const Table& table) {
  return std::make_tuple(records_of(table), table.pending_deletes(), table.num_touched(), table.digest());
}

/// `Again::kIsEqual`: made again after a failure, the call ends where it would have ended at once.
inline void fail_every_allocation(const TableOptions& options, const Act& prepare, const Act& act,
                                  Again again, long least_failures) {
  Scene reference(options);
  prepare(reference);
  act(reference);
  const auto expected = state_of(*reference.table);
  for (long at = 0;; ++at) {
    Scene scene(options);
    prepare(scene);
    const bool failed = fails_at(at, [&] { act(scene); });
    if (!failed) {
      CHECK(state_of(*scene.table) == expected);
      CHECK(at >= least_failures);
      return;
    }
    CHECK(scene.table->digest() == scene.table->computed_digest());
    if (at % 2 == 0) scene.check_valid();  // and otherwise the call comes again before anything else
    act(scene);
    CHECK(at % 2 == 0 || again == Again::kWorks || state_of(*scene.table) == expected);
    scene.check_valid();
  }
}

}  // namespace freshet::testing
