#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "freshet/batch_plan.h"
#include "freshet/key_index.h"
#include "freshet/row_arena.h"
#include "freshet/row_codec.h"
#include "freshet/row_digest.h"

namespace freshet {

/// A replica's copy of a table: vectors only, encoded in float32, float16 or int8 with a scale for each row.
///
/// Thread safety: readers (`lookup`, `contains`) take no lock, never wait for the writer, and never see a row torn
/// between two deltas: what they copied counts only if the segment's version did not move meanwhile, and is copied anew
/// if it did. Writers (`apply_delta`, `clear`) exclude each other. A batch of reads may see some rows from before and
/// some from after a delta.
///
/// Exceptions: wrong sizes and values that are not finite are std::invalid_argument before anything changes.
/// std::bad_alloc and std::length_error leave a valid table in which part of the delta was applied; applying it again
/// completes it.
class ServingTable {
 public:
  static constexpr std::uint32_t kMaxDim = 4096;
  static constexpr std::size_t kMaxBatch = std::size_t{1} << 24;

  /// `index_salt` as in KeyIndex.
  ServingTable(std::uint32_t dim, Precision precision, std::uint64_t index_salt);
  ~ServingTable();
  ServingTable(const ServingTable&) = delete;
  ServingTable& operator=(const ServingTable&) = delete;

  /// Decodes vectors to `out`, row-major [fids.size(), dim]; zeros where the FID is absent.
  void lookup(std::span<const std::uint64_t> fids, std::span<float> out) const;

  /// The same to an address for each: out[i] has room for the dim floats of fids[i]. Addresses overlap nothing.
  void lookup(std::span<const std::uint64_t> fids, std::span<float* const> out) const;

  void contains(std::span<const std::uint64_t> fids, std::span<bool> out) const;

  /// Deletes, then upserts; `vectors` is row-major [fids.size(), dim]. Of duplicates the last wins.
  void apply_delta(std::span<const std::uint64_t> fids, std::span<const float> vectors,
                   std::span<const std::uint64_t> deleted);

  std::uint32_t dim() const noexcept { return dim_; }
  Precision precision() const noexcept { return precision_; }
  std::size_t size() const noexcept { return num_rows_.load(std::memory_order_relaxed); }
  std::size_t memory_bytes() const noexcept {
    return sizeof *this + index_.memory_bytes() + rows_.memory_bytes();
  }

  /// The sum modulo 2^64 of a hash of each FID and its encoded vector, kept up to date: equal to the trainer's when that
  /// has the same digest precision and contents.
  std::uint64_t digest() const noexcept { return digest_.load(std::memory_order_relaxed); }
  /// The same, computed from the rows: O(size * dim). For tests and audits.
  std::uint64_t computed_digest() const;

  /// FIDs and decoded vectors by whole segments from `cursor` (at first 0) on, at least `min_rows`; none at the end.
  struct Part {
    std::uint64_t next_cursor = 0;
    std::vector<std::uint64_t> fids;
    std::vector<float> vectors;
  };
  Part export_rows(std::uint64_t cursor, std::size_t min_rows) const;

 private:
  using Index = KeyIndex<CompactBucket>;

  void check_batch(std::size_t num_fids) const;
  void remove(std::span<const std::uint64_t> fids);
  void upsert(std::span<const std::uint64_t> fids, std::span<const float> vectors);
  void insert(std::uint64_t hash, const std::byte* encoded);
  std::uint64_t term(std::uint64_t hash, const std::byte* encoded) const noexcept {
    return row_digest_(index_.key(hash), encoded, row_bytes_);
  }

  const std::uint32_t dim_;
  const Precision precision_;
  const std::size_t row_bytes_;  // encoded
  const EncodeFn encode_;
  const DecodeFn decode_;
  const RowDigestFn row_digest_;
  PageWarmer warmer_;
  Index index_;
  RowArena rows_;
  mutable std::mutex writer_mutex_;
  BatchPlan plan_;
  std::atomic<std::size_t> num_rows_ = 0;
  std::atomic<std::uint64_t> digest_ = 0;
};

}  // namespace freshet
