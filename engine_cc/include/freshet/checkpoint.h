#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "freshet/table.h"

namespace freshet {

/// A table as it was at one moment, read piece by piece, usually by a thread of its own, while others go on changing
/// the table. Rows that are about to change before they were read leave a copy of what they were (copy on write).
///
/// A full checkpoint has every row; an incremental one has the rows that changed since the last checkpoint of the same
/// table began, imported ones among them (the first is therefore full, and so is the one after an abandoned checkpoint),
/// and the FIDs erased since, which a loader takes out before it puts the rows in. A table has at most one at a time.
/// Only `touched` may be younger than the start: it is cleared for rows whose delta was acknowledged meanwhile, and an
/// incremental one does not have a row of which nothing else changed.
///
/// The start holds all shards, for some microseconds a shard and the time to copy candidates and pending deletes; a
/// piece holds one shard for one segment of at most 4,096 rows. Memory beside the table: the copies of rows that
/// changed and were not read yet, at most one of each row. Not thread safe itself; the table remains so.
class Checkpoint {
 public:
  /// Throws std::logic_error while the table has another, std::bad_alloc with nothing begun.
  Checkpoint(Table& table, bool is_incremental);

  /// Ends it. What was not read of an abandoned one is walked through so that writers copy no more.
  ~Checkpoint();
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  bool is_incremental() const noexcept { return is_incremental_; }

  /// The next rows: at least `min_rows` and the rest of the segment; none when all were read. Throws std::bad_alloc; the
  /// checkpoint is then incomplete and can only be destroyed.
  Rows next(std::size_t min_rows);

  /// As of the start.
  std::uint64_t digest() const noexcept { return digest_; }
  std::uint64_t num_rows() const noexcept { return num_rows_; }
  const std::vector<std::uint64_t>& erased() const noexcept { return erased_; }
  /// As Table::pending_deletes.
  const std::vector<std::uint64_t>& pending_deletes() const noexcept { return pending_deletes_; }
  const Candidates& candidates() const noexcept { return candidates_; }
  const std::vector<std::uint64_t>& state() const noexcept { return state_; }

  /// Memory of the copies that wait to be read.
  std::size_t waiting_bytes() const;

 private:
  struct Found;
  class Gathered;

  void begin();
  void end(bool is_base) noexcept;
  void read_segment(Gathered& rows, std::uint32_t segment);
  void read_pre_images(Gathered& rows, unsigned shard);

  Table& table_;
  bool is_incremental_;
  bool is_whole_ = false;  // everything was read
  std::uint32_t segment_ = 0;
  unsigned shard_ = 0;
  std::vector<Found> found_;  // of one segment
  std::uint64_t digest_ = 0;
  std::uint64_t num_rows_ = 0;
  std::vector<std::uint64_t> erased_;
  std::vector<std::uint64_t> pending_deletes_;
  Candidates candidates_;
  std::vector<std::uint64_t> state_;
};

}  // namespace freshet
