#pragma once

// A thread that writes checkpoints to a map, as a file would be, while others change the table.

#include <array>
#include <cstdint>
#include <thread>
#include <unordered_map>

#include "freshet/checkpoint.h"
#include "race_world.h"

namespace freshet::testing {

class CheckpointKeeper {
 public:
  explicit CheckpointKeeper(World& world) : world_(world) {}

  /// Reads a checkpoint to its end and checks that what is kept now is the table at one point in time: the digest and
  /// the number of rows are those that the table had, with every shard held, when the checkpoint began; and the FIDs
  /// of a pair, which a writer only ever changes together under one shard's lock, are of the same version.
  void keep(bool is_incremental) {
    Checkpoint checkpoint(world_.table, is_incremental);
    if (!checkpoint.is_incremental()) kept_.clear();
    for (const std::uint64_t fid : checkpoint.erased()) kept_.erase(fid);
    Fids seen;
    for (;;) {
      const Rows rows = checkpoint.next(400);
      if (rows.fids.empty()) break;
      seen.insert(seen.end(), rows.fids.begin(), rows.fids.end());
      for (std::size_t i = 0; i < rows.fids.size(); ++i) keep_row(rows, i);
      std::this_thread::yield();
    }
    std::sort(seen.begin(), seen.end());
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    check_is_point_in_time(checkpoint);
  }

  /// Begins an incremental one and gives it up; the next must be a full one, whatever was asked. (When nothing changed
  /// since the last, the first look is the end of it, and there is nothing to give up.)
  void abandon() {
    bool was_ended = false;
    {
      Checkpoint checkpoint(world_.table, true);
      was_ended = checkpoint.next(400).fids.empty();
    }
    CHECK(Checkpoint(world_.table, true).is_incremental() == was_ended);
  }

 private:
  using Vector = std::array<float, kRaceDim>;

  void keep_row(const Rows& rows, std::size_t i) {
    const std::uint64_t fid = rows.fids[i];
    Vector& vector = kept_[fid];
    std::copy_n(&rows.vectors[i * kRaceDim], kRaceDim, vector.begin());
    check_whole(fid, vector.data());
    for (std::size_t e = 0; e < kRaceDim; ++e) version_of(fid, e, -rows.states[i * kRaceDim + e]);
  }

  void check_is_point_in_time(const Checkpoint& checkpoint) const {
    CHECK(kept_.size() == checkpoint.num_rows());
    std::uint64_t digest = 0;
    for (const auto& [fid, vector] : kept_) digest += digest_of_row(fid, vector.data());
    CHECK(digest == checkpoint.digest());
    if (world_.has_budget) return;  // which may evict one FID of a pair
    for (std::size_t i = 0; i < world_.pairs.size(); i += 2) {
      CHECK(kept_.at(world_.pairs[i])[0] / static_cast<float>(tag(world_.pairs[i], 0)) ==
            kept_.at(world_.pairs[i + 1])[0] / static_cast<float>(tag(world_.pairs[i + 1], 0)));
    }
  }

  World& world_;
  std::unordered_map<std::uint64_t, Vector> kept_;
};

}  // namespace freshet::testing
