#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <vector>

#include "freshet/key_index.h"
#include "freshet/row_arena.h"
#include "freshet/touched_set.h"

namespace freshet {

struct TableOptions {
  std::uint32_t dim = 0;             // 1 .. Table::kMaxDim
  std::uint64_t seed = 0;            // of new rows
  float init_scale = 0.0F;           // finite, >= 0: a new row is uniform in (-init_scale, init_scale)
  float initial_accumulator = 0.0F;  // finite, > 0: Adagrad's accumulator of a new row
  std::uint64_t index_salt = 0;      // see KeyIndex; no result depends on it
};

struct ApplyResult {
  std::size_t num_applied = 0;   // positions whose gradient went into a row
  std::size_t num_absent = 0;    // positions whose FID has no row
  std::size_t num_rejected = 0;  // positions whose gradient, or sum of gradients, is not finite
};

/// The current state of FIDs that changed: rows to upsert, FIDs to delete.
struct Delta {
  std::vector<std::uint64_t> fids;
  std::vector<std::uint16_t> slots;
  std::vector<float> vectors;  // [fids.size(), dim]
  std::vector<std::uint64_t> deleted;
};

/// Rows as a checkpoint keeps them.
struct Rows {
  std::uint64_t next_cursor = 0;
  std::vector<std::uint64_t> fids;
  std::vector<std::uint16_t> slots;
  std::vector<float> vectors;       // [fids.size(), dim]
  std::vector<float> accumulators;  // [fids.size(), dim]
  std::vector<std::uint8_t> touched;
};

/// The embedding rows of one dim and optimizer (sparse Adagrad), keyed by FID; two FIDs never share a row.
///
/// Every operation takes a batch of `fids.size()` positions; a matrix argument is row-major [fids.size(),
/// dim].
///
/// Thread safety: every method may be called from any thread. One table-wide lock: `lookup`, `contains`,
/// `digest`, `export_rows` and the counters share it, the rest exclude each other and them; a batch is atomic to
/// readers. Who goes first is the platform's std::shared_mutex (glibc's lets readers pass a waiting writer), so
/// readers should leave the table now and then.
///
/// Exceptions: wrong sizes, a batch above `kMaxBatch`, values that are not finite: std::invalid_argument,
/// before anything changes. std::bad_alloc and std::length_error in the middle of a batch leave a valid table
/// in which a leading part of the batch may have been carried out (basic guarantee); `export_delta` has the
/// strong guarantee.
///
/// Complexity: O(batch · dim) expected, unless said otherwise.
class Table {
 public:
  static constexpr std::uint32_t kMaxDim = 4096;
  static constexpr std::size_t kMaxBatch = std::size_t{1} << 24;

  explicit Table(const TableOptions& options);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  /// Copies vectors to `out`; zeros where the FID is absent. Never inserts.
  void lookup(std::span<const std::uint64_t> fids, std::span<float> out) const;

  /// As lookup, but an absent FID first gets a row, which is touched. A row keeps the slot it was created
  /// with.
  void lookup_or_create(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                        std::span<float> out);

  void contains(std::span<const std::uint64_t> fids, std::span<bool> out) const;

  /// Sparse Adagrad: n += g², w -= learning_rate · g / √n, where g is the sum of a FID's gradients in input
  /// order. A position whose gradient is not finite is left out, as is a FID whose sum or accumulator would
  /// overflow. Rows that changed are touched.
  ApplyResult apply_gradients(std::span<const std::uint64_t> fids, std::span<const float> grads,
                              float learning_rate);

  /// Sets slots and vectors, creating absent rows; accumulators of existing rows stay. The rows are touched.
  /// Of duplicates the last wins.
  void assign(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
              std::span<const float> vectors);

  /// Removes rows; their memory is reused. Answers how many there were. They become pending deletes.
  std::size_t erase(std::span<const std::uint64_t> fids);

  std::uint32_t dim() const noexcept { return options_.dim; }
  std::size_t size() const;
  std::size_t memory_bytes() const;

  /// The sum modulo 2^64, over all rows, of a hash of FID and vector bytes: equal for equal contents,
  /// whatever the order of arrival. Slots and accumulators are not in it. O(size · dim).
  std::uint64_t digest() const;

  /// Touched rows and pending deletes, not counting what is in flight.
  std::size_t num_touched() const;

  /// Moves at most `max_rows` FIDs, deletes first, then rows in the order of their first touch, from the
  /// touched to the in-flight set, and answers their current state. Several exports may be in flight
  /// together.
  Delta export_delta(std::size_t max_rows);

  /// What is in flight has arrived; forgets it.
  void acknowledge_delta();

  /// What is in flight was lost; touches it again.
  void restore_delta();

  /// What was touched, deleted or in flight needs no delta any more, because a snapshot carries it.
  void forget_touched();

  /// Upserts and deletes as exported elsewhere. Touches nothing; a FID that is pending here stays pending.
  void apply_delta(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                   std::span<const float> vectors, std::span<const std::uint64_t> deleted);

  /// At least one and at most `max_rows` rows from `cursor` (at first 0) on, in no order of meaning; no rows
  /// at the end. `touched` tells rows that are touched or in flight. A walk sees every row that lives
  /// throughout it; for a consistent picture keep writers away for the whole walk.
  Rows export_rows(std::uint64_t cursor, std::size_t max_rows) const;

  /// Creates or overwrites rows from export_rows. `accumulators` may be empty (then the initial accumulator,
  /// for existing rows too) and so may `touched` (then no row becomes touched). Accumulators must be > 0.
  void import_rows(std::span<const std::uint64_t> fids, std::span<const std::uint16_t> slots,
                   std::span<const float> vectors, std::span<const float> accumulators,
                   std::span<const std::uint8_t> touched);

  /// The FIDs, ascending, that have no row and whose delete is pending or in flight. O(k log k).
  std::vector<std::uint64_t> pending_deletes() const;

  /// Makes pending deletes of FIDs that have no row; those that have one are ignored.
  void import_deletes(std::span<const std::uint64_t> fids);

 private:
  using Lock = std::unique_lock<std::shared_mutex>;
  using SharedLock = std::shared_lock<std::shared_mutex>;
  static constexpr std::size_t kGroup = 64;  // keys in flight: measured best between 32 and 128

  /// Calls `visit(position, row)` for every position in order, with lookups prefetched in groups. A row
  /// created by `visit` is not seen by later positions of its group, which get kAbsent.
  template <typename Visit>
  void for_each_row(std::span<const std::uint64_t> fids, bool with_accumulator, Visit visit) const;

  std::uint32_t find(std::uint64_t fid) const noexcept { return index_.find(fid, index_.hash(fid)); }
  std::uint32_t create(std::uint64_t fid, std::uint16_t slot, bool touched);
  std::uint32_t upsert(std::uint64_t fid, std::uint16_t slot, const float* vector, bool touched);
  void initialise(std::uint32_t row, std::uint64_t fid) noexcept;
  bool accepts(std::uint32_t row, const float* grad) const noexcept;
  void adagrad(std::uint32_t row, const float* grad, float learning_rate) noexcept;
  void check_batch(std::size_t num_fids) const;
  void check_matrix(const char* name, std::size_t num_fids, std::size_t num_values) const;
  static void check_slots(std::size_t num_fids, std::size_t num_slots);
  static void check_finite(const char* name, std::span<const float> values);

  const TableOptions options_;
  mutable std::shared_mutex mutex_;
  KeyIndex index_;
  RowArena rows_;
  TouchedSet touched_;
};

template <typename Visit>
void Table::for_each_row(std::span<const std::uint64_t> fids, bool with_accumulator, Visit visit) const {
  std::uint64_t hashes[kGroup];
  std::uint32_t found[kGroup];
  for (std::size_t start = 0; start < fids.size(); start += kGroup) {
    const std::size_t num = fids.size() - start < kGroup ? fids.size() - start : kGroup;
    for (std::size_t i = 0; i < num; ++i) {
      hashes[i] = index_.hash(fids[start + i]);
      index_.prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < num; ++i) {
      found[i] = index_.find(fids[start + i], hashes[i]);
      if (found[i] != KeyIndex::kAbsent) rows_.prefetch(found[i], with_accumulator);
    }
    for (std::size_t i = 0; i < num; ++i) visit(start + i, found[i]);
  }
}

}  // namespace freshet
