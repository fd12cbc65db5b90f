#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "freshet/batch_plan.h"
#include "freshet/fid_map.h"
#include "freshet/key_index.h"
#include "freshet/pre_images.h"
#include "freshet/row_arena.h"
#include "freshet/row_digest.h"
#include "freshet/slot_counts.h"
#include "freshet/table_types.h"
#include "freshet/touched_log.h"

namespace freshet {

class Checkpoint;
struct GroupBurst;

/// The embedding rows of one dim and optimizer, keyed by FID; two FIDs never share a row. A row is its vector, the
/// optimizer's state, its slot, when it was last seen and how often.
///
/// Every operation takes a batch of `fids.size()` positions; a matrix argument is row-major [fids.size(), dim].
/// Positions of the same FID are one: found once, sighted together, their gradients summed in input order.
///
/// Thread safety. Every method may be called from any thread at any time. The table has 16 shards by the FID's hash, each
/// with a lock:
///  - `lookup` and `contains` take no lock and hold nobody up. A row read beside `apply_gradients`, `apply` or
///    `assign` of that row may mix floats from before and after; never floats of another row, and never a half
///    float. (A ServingTable gives whole rows.)
///  - methods that change rows take one shard's lock after the other: two batches may interleave by shard, and a
///    reader may see a batch of which some shards are done.
///  - `export_delta`, `acknowledge_delta`, `restore_delta`, `forget_touched` exclude each other.
///  - a Checkpoint is a point in time: its start holds every shard for a moment.
///
/// Exceptions: wrong sizes, a batch above `kMaxBatch`, values that are not finite: std::invalid_argument, before
/// anything changes. std::bad_alloc and std::length_error in the middle of a batch leave a valid table in which part of
/// the batch may have been carried out (basic guarantee); `export_delta` has the strong guarantee.
///
/// Complexity: O(batch * dim) expected, unless said otherwise. No call stops to rehash the table; the most that an
/// insert may add is the split of one segment, some 30 microseconds.
class Table {
 public:
  static constexpr std::uint32_t kMaxDim = Optimizer::kMaxDim;
  static constexpr std::size_t kMaxBatch = std::size_t{1} << 24;
  static constexpr unsigned kNumShards = 1U << HashParts::kShardBits;

  /// What an absent FID looks like: zeros, or the vector that its row would begin with.
  enum class Absent : std::uint8_t { kZeros, kInitial };

  explicit Table(const TableOptions& options);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // Reading.

  /// Copies vectors to `out`. Never inserts, never counts as a sighting.
  void lookup(std::span<const std::uint64_t> fids, std::span<float> out,
              Absent absent = Absent::kZeros) const;

  void contains(std::span<const std::uint64_t> fids, std::span<bool> out) const;

  // Sighting: event times are seconds, from the guarded clock of the stream. A position whose time is `kNotSeen` is no
  // sighting, but one that a step learns from all the same, as a sampled negative is: it gets the row that there is, and
  // neither earns nor keeps one.

  /// Sights every position, then copies vectors to `out`. A FID without a row gets one, which is touched, when its
  /// slot's rule admits it; otherwise its positions get zeros. `seen_at_s` has one element per position or one for all.
  void lookup_or_create(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                        std::span<const std::uint32_t> seen_at_s, std::span<float> out);

  /// The same for a training step that will call `apply`: rows are remembered, and touched now.
  SightedBatch sight(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                     std::span<const std::uint32_t> seen_at_s);

  /// What a sighting needs of the batch alone: its plan. And asks for the rows that there are, which are then near when the
  /// batch is sighted; what is near is the memory itself, so nothing that is written meanwhile can be read as it was. Changes
  /// nothing in the table, and may run beside anything.
  void plan(std::span<const std::uint64_t> fids, BatchPlan& plan) const;

  /// `sight` of a batch of this plan, of `plan`; `slots` and `seen_at_s` are of its positions.
  SightedBatch sight(const BatchPlan& plan, std::span<const std::uint16_t> slots,
                     std::span<const std::uint32_t> seen_at_s);

  /// The vectors of a batch's FIDs, [num_unique, dim]; zeros where there is no row (any more).
  void gather(const SightedBatch& batch, std::span<float> out) const;

  // Learning.

  /// One step of the optimizer for each FID that has a row, with the sum of its gradients. A position whose gradient is
  /// not finite is left out, as is a FID whose sum or row would overflow. Rows that changed are touched.
  ApplyResult apply_gradients(std::span<const std::uint64_t> fids, std::span<const float> grads,
                              float learning_rate);

  /// The same with one gradient for each FID of a batch, [num_unique, dim]; rows are not looked for again while no row
  /// of their shard was evicted or exported since.
  ApplyResult apply(const SightedBatch& batch, std::span<const float> grads, float learning_rate);

  // Other changes.

  /// Sets slots and vectors, creating absent rows whatever the admission; optimizer state of existing rows stays, but
  /// for FTRL's, which would undo it, and begins anew. The rows are touched. Of duplicates the last wins. A row made here
  /// has never been seen: where its slot has a time to live, sight it before the next expiry.
  void assign(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
              std::span<const float> vectors);

  /// Removes rows; their memory is reused or returned. Answers how many there were. They become pending deletes.
  std::size_t erase(std::span<const std::uint64_t> fids);

  /// Looks through at least `num_rows` rows, on from where the last call stopped, and evicts those whose slot's
  /// time to live has passed at `now_s`; also forgets candidates that have decayed. Answers how many rows went. Rows are
  /// visited in an order that depends on contents and calls alone.
  std::size_t expire(std::uint32_t now_s, std::size_t num_rows);

  /// Touches the memory that `num_rows` rows will take, in this call: afterwards growing to that size costs no page
  /// faults, which otherwise take more time than the rows. Blocks inserts that need a new page meanwhile.
  void warm(std::size_t num_rows);

  // What is in it.

  std::uint32_t dim() const noexcept { return options_.dim; }
  std::size_t num_state_floats() const noexcept { return optimizer_.num_state_floats(); }
  std::size_t size() const noexcept;
  /// Memory of rows, index, touched set and candidates.
  std::size_t memory_bytes() const;
  /// What a row takes in a large table, index included: how a budget in bytes becomes `max_rows`.
  static std::size_t bytes_per_row(std::uint32_t dim, const OptimizerOptions& optimizer);
  TableCounters counters() const;
  /// By slot, ascending, of those slots that anything was counted of.
  std::vector<SlotCount> slot_counts() const;

  /// The sum modulo 2^64 over all rows of a hash of FID and encoded vector: equal for equal contents, whatever the
  /// order of arrival. Slots, state and stamps are not in it. Kept up to date: O(1).
  std::uint64_t digest() const;
  /// The same, computed from the rows: O(size * dim). For tests and audits.
  std::uint64_t computed_digest() const;

  /// Calls `visit(shard, num_rows)` for each shard, under its lock.
  template <typename Visit>
  void for_each_shard(Visit visit) const {
    for (unsigned number = 0; number < kNumShards; ++number) {
      const std::lock_guard lock(shards_[number].mutex);
      visit(number, shards_[number].num_rows.load(std::memory_order_relaxed));
    }
  }

  // Delta.

  /// Touched rows and pending deletes, not counting what is in flight.
  std::size_t num_touched() const;

  /// Moves at most `max_rows` FIDs, deletes first, then rows by the time of their first touch, from the touched to the
  /// in-flight set, and answers their current state. Several exports may be in flight together.
  Delta export_delta(std::size_t max_rows);

  /// What is in flight has arrived; forgets it.
  void acknowledge_delta();

  /// What is in flight was lost; touches it again.
  void restore_delta();

  /// What was touched, deleted or in flight needs no delta any more, because a snapshot carries it.
  void forget_touched();

  /// The FIDs, ascending, that have no row and whose delete is pending or in flight. O(k log k).
  std::vector<std::uint64_t> pending_deletes() const;

  /// Makes pending deletes of FIDs that have no row; those that have one are ignored.
  void import_deletes(std::span<const std::uint64_t> fids);

  // Rows in and out; see Checkpoint for a consistent picture beside writers.

  /// Rows from `cursor` (at first 0) on, by whole segments of at most 4,096, until there are at least `min_rows`; none
  /// at the end. A row that lives throughout the walk is seen, twice if a writer moved it meanwhile.
  Rows export_rows(std::uint64_t cursor, std::size_t min_rows) const;

  /// Creates or overwrites rows. `seen_at_s`, `counts`, `states` and `touched` may be empty: then 0, 0, the state of a
  /// new row (for existing rows too), and no row becomes touched.
  void import_rows(const Rows& rows);

  /// Candidates and the hands of expiry and budget, as words; with the rows and `import_state` on a table of the same
  /// options, all later decisions are those of the table that was saved.
  Candidates export_candidates() const;
  void import_candidates(const Candidates& candidates);
  std::vector<std::uint64_t> export_state() const;
  /// Throws std::invalid_argument for words of another form.
  void import_state(std::span<const std::uint64_t> words);

 private:
  friend class Checkpoint;
  static constexpr std::size_t kRangeRows = 2048;  // rows that expiry and budget look at under one lock
  using Index = KeyIndex<MarkedBucket>;
  using Place = Index::Place;

  struct alignas(128) Shard {
    Shard(std::uint64_t seed, std::size_t max_candidates, std::uint64_t salt)
        : ledger(seed, max_candidates, salt), pending_deletes(salt) {}

    mutable std::mutex mutex;
    AdmissionLedger ledger;
    FidSet pending_deletes;
    std::vector<std::uint64_t> erased_since_checkpoint;
    PreImages pre_images;
    std::uint64_t digest = 0;
    // Written under the lock, by a plain store, which does not wait for the stores before it.
    std::atomic<std::uint64_t> num_rows = 0;
    std::uint64_t epoch = 0;
    std::uint64_t budget_hand = 0;  // hashes: where the next look for rows to evict begins
    std::uint64_t num_created = 0;
    std::uint64_t num_expired = 0;
    std::uint64_t num_over_budget = 0;
    std::uint64_t num_erased = 0;
    std::uint64_t num_turned_away = 0;
    SlotCounts slot_counts;
  };
  using ShardLock = std::unique_lock<std::mutex>;

  /// The FIDs that a call touches for the first time. Room for them is made before anything changes; they reach the log
  /// when this ends, however it ends.
  class TouchNotes {
   public:
    enum class Log : std::uint8_t { kMayShrink, kAsItIs };

    TouchNotes(Table& table, std::size_t max_notes, Log log = Log::kMayShrink);
    ~TouchNotes();
    TouchNotes(const TouchNotes&) = delete;
    TouchNotes& operator=(const TouchNotes&) = delete;
    void add(std::uint64_t fid) noexcept { fids_.push_back(fid); }

   private:
    Table& table_;
    const std::size_t max_notes_;
    std::vector<std::uint64_t>& fids_;  // the thread's own, kept for its next call
  };

  /// The sightings among a group's positions: how many, the first one, and when the last was.
  struct Seen {
    std::uint32_t num = 0;
    std::uint32_t first = 0;
    std::uint32_t latest_s = 0;
  };

  /// How a batch was sighted.
  struct Sightings {
    std::span<const std::uint16_t> slots;
    std::span<const std::uint32_t> seen_at_s;
    std::uint64_t first_draw;
    bool learns;

    std::uint32_t seen_at(std::uint32_t position) const noexcept {
      return seen_at_s[seen_at_s.size() == 1 ? 0 : position];
    }
    Seen of(const BatchPlan& plan, const BatchPlan::Group& group) const noexcept;
  };

  float* floats(std::uint32_t row) const noexcept { return reinterpret_cast<float*>(rows_.at(row)); }
  std::uint16_t& slot(std::uint32_t row) const noexcept {
    return reinterpret_cast<std::uint16_t*>(slot_memory_.data())[row];
  }

  /// Calls `found(group, Place)` for each of the groups, whose shards' locks are held, then `absent(group)` for those of the
  /// same few that have no row; only `absent` may insert or erase. `ask(group)` comes early, to prefetch. Groups are numbered as in `plan.groups()`.
  template <typename Ask, typename Found, typename Missing>
  void visit_groups(std::span<const BatchPlan::Group> groups, Ask ask, Found&& found, Missing absent) const;

  template <typename Ask>
  void find_burst(GroupBurst& burst, Ask& ask) const;

  Place create(unsigned number, std::uint64_t hash, std::uint16_t slot, std::uint32_t marks,
               TouchNotes& notes, const float* vector = nullptr);
  void remove(Shard& shard, std::uint64_t hash, const Place& place);
  void evict(Shard& shard, std::span<const std::uint64_t> hashes, std::uint64_t& counter,
             std::uint64_t SlotCount::* slot_counter);
  void note_sighting(Shard& shard, const Place& place, const BatchPlan& plan, const BatchPlan::Group& group,
                     const Sightings& sightings, TouchNotes& notes);
  Place admit(unsigned number, const BatchPlan& plan, const BatchPlan::Group& group,
              const Sightings& sightings, TouchNotes& notes);
  /// To be called before a row changes: the running checkpoint gets what it was.
  void keep_pre_image(Shard& shard, std::uint64_t hash, const Place& place);
  RowRecord record_of(std::uint64_t hash, const Place& place) const noexcept;
  void mark(const Place& place, std::uint32_t marks, std::uint64_t hash, TouchNotes& notes) noexcept;
  class UpdateBurst;
  class Updater;
  bool step(float* row, const float* gradient, float learning_rate) const noexcept;
  void write_row(Shard& shard, std::uint64_t fid, std::uint32_t row, const float* vector,
                 const float* state) noexcept;
  std::uint64_t term(std::uint64_t fid, const float* vector) const noexcept;
  std::uint64_t terms(const std::uint64_t* fids, const std::byte* const* rows,
                      std::size_t num_rows) const noexcept;
  void make_room(unsigned number, std::uint32_t now_s);

  void take_deletes(std::size_t max_deletes, Delta& delta) noexcept;
  void take_rows(const BatchPlan& plan, std::size_t& num_rows, Delta& delta) noexcept;
  void compact_log();
  void unmark_in_flight(std::uint32_t marks_added);

  std::vector<std::uint64_t> export_state_locked() const;
  SlotCounts merged_slot_counts() const;
  static std::uint32_t range_bits(std::uint64_t num_rows) noexcept;
  static const TableOptions& checked(const TableOptions& options);
  void check_batch(std::size_t num_fids) const;
  void check_matrix(const char* name, std::size_t num_rows, std::size_t num_values) const;
  void check_sightings(std::size_t num_fids, std::size_t num_slots, std::size_t num_times) const;
  static void check_finite(const char* name, std::span<const float> values);
  static void check_rate(float learning_rate);

  const TableOptions options_;
  const Optimizer optimizer_;
  const RowDigestFn row_digest_;
  const RowDigestSumFn row_digest_sum_;
  const EncodeFn encode_;
  PageWarmer warmer_;
  Index index_;
  RowArena rows_;
  mutable ReservedMemory slot_memory_;  // its size never changes
  mutable std::deque<Shard> shards_;    // a deque, because a shard cannot be moved
  std::atomic<std::uint64_t> num_sighted_ = 0;

  mutable std::mutex delta_mutex_;  // taken before a shard's
  mutable std::mutex log_mutex_;    // taken after a shard's
  TouchedLog log_;
  std::ptrdiff_t num_touched_rows_ = 0;  // below zero while a row has gone whose note is yet to come
  std::size_t num_promised_ = 0;         // notes that running calls may yet add to the log
  std::vector<std::uint64_t> in_flight_;

  mutable std::mutex expire_mutex_;  // taken before a shard's
  std::uint64_t expire_hand_ = 0;

  // Of the running checkpoint; written with every shard's lock, read with any.
  bool is_checkpointing_ = false;
  bool has_base_ =
      false;  // the last checkpoint was read to its end, and nothing came but by this table since
  bool saves_all_ = false;
  std::uint32_t saved_parity_ = 0;  // 0 or RowMark::kSaved: what the marks of a row say that needs no saving
};

}  // namespace freshet
