#pragma once

// Growth and change of KeyIndex; included by key_index.h.

namespace freshet {

template <typename Bucket>
KeyIndex<Bucket>::KeyIndex(std::uint64_t salt, PageWarmer* warmer)
    : salt_(mix64(salt + kGolden64)),
      segment_memory_(std::min(ReservedMemory::ample_bytes() / 2, std::size_t{UINT32_MAX} * sizeof(Bucket)),
                      warmer),
      info_memory_(segment_memory_.capacity() / kMinSegmentBytes * sizeof(SegmentInfo), nullptr),
      first_memory_(segment_memory_.capacity() / kMinSegmentBytes * sizeof(std::uint32_t), nullptr),
      version_memory_(segment_memory_.capacity() / kMinSegmentBytes * sizeof(Version), nullptr),
      directory_(HashParts::kShardBits, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}) {
  for (std::uint32_t shard = 0; shard < kNumShards; ++shard) add_segment(shard, HashParts::kShardBits);
}

template <typename Bucket>
std::uint32_t KeyIndex<Bucket>::add_segment(std::uint64_t prefix, std::uint32_t depth) {
  const std::uint32_t segment = num_segments_.load(std::memory_order_relaxed);
  const auto shard = static_cast<std::uint32_t>(prefix >> (depth - HashParts::kShardBits));
  const std::size_t num = std::size_t{segment} + 1;
  first_memory_.grow_to(num * sizeof(std::uint32_t));
  version_memory_.grow_to(num * sizeof(Version));
  info_memory_.grow_to(num * sizeof(SegmentInfo));
  // New memory reads as zeros: every cell is empty.
  segment_memory_.grow_to((num_buckets_ + HashParts::num_buckets(shard)) * sizeof(Bucket));
  infos()[segment] = {prefix, depth, 0, shard};
  first_buckets()[segment] = static_cast<std::uint32_t>(num_buckets_);
  num_buckets_ += HashParts::num_buckets(shard);
  num_segments_.store(segment + 1, std::memory_order_release);
  return segment;
}

template <typename Bucket>
void KeyIndex<Bucket>::warm(std::size_t num_keys) {
  constexpr double kMeanLoad = 0.69 * Bucket::kMaxLoad;  // between a split and the next
  const auto num = static_cast<std::size_t>(static_cast<double>(num_keys) / (Bucket::kCells * kMeanLoad));
  const std::lock_guard lock(grow_mutex_);
  segment_memory_.warm(segment_memory_.size(), num * sizeof(Bucket));
}

template <typename Bucket>
std::uint32_t KeyIndex<Bucket>::empty_cell(const Bucket& bucket) noexcept {
  return static_cast<std::uint32_t>(__builtin_ctz(~bucket.occupied()));  // kCells when all are occupied
}

template <typename Bucket>
void KeyIndex<Bucket>::prefetch_room(std::uint64_t hash, const Home& home) const noexcept {
  if (empty_cell(*home.bucket) != Bucket::kCells) return;
  const Bucket* const other = other_of(hash, home);
  if (empty_cell(*other) != Bucket::kCells) return;
  const Bucket* const all = home.bucket - HashParts::home(hash);
  const std::uint32_t num = HashParts::num_buckets(HashParts::shard(hash));
  for (const Bucket* const full : {static_cast<const Bucket*>(home.bucket), other}) {
    const auto at = static_cast<std::uint32_t>(full - all);
    for (std::uint32_t cell = 0; cell < Bucket::kCells; ++cell) {
      prefetch_to_write(all + HashParts::other(at, full->remainder(cell), num));
    }
  }
}

/// A count that reached 255 has lost track and stays.
template <typename Bucket>
void KeyIndex<Bucket>::move_away_count(Bucket& home, int by) noexcept {
  const std::uint32_t num = home.num_away();
  if (num != 255) home.set_num_away(static_cast<std::uint32_t>(static_cast<int>(num) + by));
}

/// Moves a key to the other of its two buckets.
template <typename Bucket>
void KeyIndex<Bucket>::move_cell(Bucket* all, std::uint32_t from, std::uint32_t cell, std::uint32_t to,
                                 std::uint32_t to_cell) noexcept {
  const bool comes_home = all[from].is_displaced(cell);
  all[to].take(to_cell, all[from], cell, !comes_home);
  all[from].clear(cell);
  move_away_count(comes_home ? all[to] : all[from], comes_home ? -1 : 1);
}

/// Frees a cell in one of two full buckets by moving one key, or two or three in a row, each to its other bucket.
template <typename Bucket>
bool KeyIndex<Bucket>::make_room(Bucket* all, std::uint32_t num_buckets, std::uint32_t first,
                                 std::uint32_t second) noexcept {
  struct Step {
    std::uint32_t bucket;
    std::uint32_t cell;
    std::uint32_t to;
    std::int32_t before;
  };
  constexpr std::size_t kMaxSteps =
      2 * Bucket::kCells * (1 + Bucket::kCells + Bucket::kCells * Bucket::kCells);
  Step steps[kMaxSteps];
  std::size_t num_steps = 0;
  // Where the keys could go is asked for long before it is looked at.
  const auto add = [&](std::uint32_t bucket, std::int32_t before) {
    for (std::uint32_t cell = 0; cell < Bucket::kCells && num_steps < kMaxSteps; ++cell) {
      const std::uint32_t to = HashParts::other(bucket, all[bucket].remainder(cell), num_buckets);
      prefetch_to_write(all + to);
      steps[num_steps++] = {bucket, cell, to, before};
    }
  };
  add(first, -1);
  if (second != first) add(second, -1);
  for (std::size_t at = 0; at < num_steps; ++at) {
    const std::uint32_t to = steps[at].to;
    const std::uint32_t empty = empty_cell(all[to]);
    if (empty == Bucket::kCells) {
      bool on_path = to == first || to == second;
      for (auto i = static_cast<std::int32_t>(at); i >= 0; i = steps[i].before)
        on_path |= steps[i].bucket == to;
      if (!on_path) add(to, static_cast<std::int32_t>(at));
      continue;
    }
    std::uint32_t target = to;
    std::uint32_t target_cell = empty;
    for (auto i = static_cast<std::int32_t>(at); i >= 0; i = steps[i].before) {
      move_cell(all, steps[i].bucket, steps[i].cell, target, target_cell);
      target = steps[i].bucket;
      target_cell = steps[i].cell;
    }
    return true;
  }
  return false;
}

template <typename Bucket>
auto KeyIndex<Bucket>::insert(std::uint64_t hash, std::uint32_t row) -> Place {
  const std::uint64_t remainder = HashParts::remainder(hash);
  const std::uint32_t home = HashParts::home(hash);
  const std::uint32_t num = HashParts::num_buckets(HashParts::shard(hash));
  const std::uint32_t other = HashParts::other(home, remainder, num);
  for (;;) {
    const std::uint32_t segment = segment_of(hash);
    SegmentInfo& info = infos()[segment];
    if (info.num_keys >= split_load(info.shard) && split(segment)) continue;
    Bucket* const all = buckets(segment);
    {
      const Change change(*this, segment);
      std::uint32_t cell = empty_cell(all[home]);
      bool displaced = false;
      if (cell == Bucket::kCells) {
        cell = empty_cell(all[other]);
        displaced = cell != Bucket::kCells;
        if (!displaced && make_room(all, num, home, other)) {
          ++num_moves_[info.shard];
          cell = empty_cell(all[home]);
          displaced = cell == Bucket::kCells;
          if (displaced) cell = empty_cell(all[other]);
        }
      }
      if (cell != Bucket::kCells) {
        Bucket& bucket = all[displaced ? other : home];
        bucket.place(cell, remainder, displaced, row);
        if (displaced) move_away_count(all[home], 1);
        ++info.num_keys;
        return {&bucket, cell, segment};
      }
    }
    if (!split(segment)) {
      throw std::length_error(
          "a segment of the index is full and may not split: the keys were chosen to share it");
    }
  }
}

template <typename Bucket>
void KeyIndex<Bucket>::erase(const Place& place) noexcept {
  const Change change(*this, place.segment);
  Bucket* const all = buckets(place.segment);
  if (place.bucket->is_displaced(place.cell)) {
    const auto at = static_cast<std::uint32_t>(place.bucket - all);
    move_away_count(
        all[HashParts::other(at, place.bucket->remainder(place.cell), num_buckets(place.segment))], -1);
  }
  place.bucket->clear(place.cell);
  --infos()[place.segment].num_keys;
  ++num_moves_[infos()[place.segment].shard];
}

/// Moves the upper half of a segment's hashes to a new one; false when the directory is out of proportion to the
/// segments already. Nothing throws once anything changes.
template <typename Bucket>
bool KeyIndex<Bucket>::split(std::uint32_t full) {
  const std::lock_guard lock(grow_mutex_);
  SegmentInfo& info = infos()[full];
  if (info.depth == directory_.depth()) {
    if (directory_.num_entries() >= kMaxSpread * std::size_t{num_segments()}) return false;
    directory_.grow();
  }
  const std::uint32_t depth = info.depth + 1;
  const std::uint32_t upper = add_segment(info.prefix * 2 + 1, depth);
  const unsigned bit = HashParts::remainder_bit(64 - depth);
  const std::uint32_t num = num_buckets(full);
  Bucket* const from = buckets(full);
  Bucket* const to = buckets(upper);
  std::uint32_t num_moved = 0;
  for (std::uint32_t b = 0; b < num; ++b) {
    const unsigned moving = from[b].occupied() & from[b].with_remainder_bit(bit);
    to[b] = from[b];
    to[b].keep(moving);
    for (unsigned left = moving; left != 0; left &= left - 1) ++num_moved;
  }
  send_home(to, num);
  infos()[upper].num_keys = num_moved;
  // First the new segment is found, then the old one forgets: a reader who misses a key in the old one sees that the
  // directory has changed.
  directory_.set(info.prefix * 2 + 1, depth, upper);
  const Change change(*this, full);
  for (std::uint32_t b = 0; b < num; ++b) {
    from[b].keep(from[b].occupied() & ~from[b].with_remainder_bit(bit));
  }
  send_home(from, num);
  info.num_keys -= num_moved;
  info.prefix *= 2;
  info.depth = depth;
  ++num_moves_[info.shard];
  ++num_splits_[info.shard];
  return true;
}

/// Half the keys are gone and no bucket counts those that are away: most displaced ones fit at home again, where a lookup
/// finds them in one line, and the others are counted.
template <typename Bucket>
void KeyIndex<Bucket>::send_home(Bucket* all, std::uint32_t num_buckets) noexcept {
  for (std::uint32_t b = 0; b < num_buckets; ++b) {
    for (unsigned left = all[b].displaced(); left != 0; left &= left - 1) {
      const auto cell = static_cast<std::uint32_t>(__builtin_ctz(left));
      Bucket& home = all[HashParts::other(b, all[b].remainder(cell), num_buckets)];
      const std::uint32_t empty = empty_cell(home);
      if (empty == Bucket::kCells) {
        move_away_count(home, 1);
      } else {
        home.take(empty, all[b], cell, false);
        all[b].clear(cell);
      }
    }
  }
}

}  // namespace freshet
