#pragma once

// The lock-free readers of KeyIndex; included by key_index.h.

namespace freshet {

/// In steps over a group of keys, so that the memory system works on many at a time: first all buckets, then all rows.
/// Asking for rows while buckets still arrive was seen to be slower, and so was a pipeline across groups. Each step is
/// a loop over the whole group, of which the compiler can take several keys in one instruction.
template <typename Bucket>
template <typename Ask, typename Copy, typename Absent>
inline void KeyIndex<Bucket>::read_batch(std::span<const std::uint64_t> keys, Ask ask, Copy copy,
                                         Absent absent) const {
  Group group;
  for (std::size_t start = 0; start < keys.size(); start += kGroup) {
    ask_homes(group, keys, start);
    find_rows(group);
    copy_rows(group, ask, copy, absent);
  }
}

template <typename Bucket>
inline void KeyIndex<Bucket>::ask_homes(Group& group, std::span<const std::uint64_t> keys,
                                        std::size_t start) const {
  const auto* const memory = reinterpret_cast<const Bucket*>(segment_memory_.data());
  const std::uint32_t* const first_buckets = this->first_buckets();
  const auto num = static_cast<std::uint32_t>(std::min(keys.size() - start, kGroup));
  group.start = start;
  group.num = num;
  if constexpr (!Bucket::kVersionBySegment) {
    for (unsigned shard = 0; shard < kNumShards; ++shard) {
      group.seen[shard] = shard_versions_[shard].load(std::memory_order_acquire);
    }
  }
  const SegmentDirectory::View directory = directory_.view();
  for (std::uint32_t i = 0; i < num; ++i) group.hashes[i] = mix64(keys[start + i] ^ salt_);
  for (std::uint32_t i = 0; i < num; ++i) {
    group.segments[i] = peek_word(directory.segments[group.hashes[i] >> directory.shift]);
  }
  for (std::uint32_t i = 0; i < num; ++i) {
    group.homes[i] = peek_word(first_buckets[group.segments[i]]) + HashParts::home(group.hashes[i]);
  }
  for (std::uint32_t i = 0; i < std::min(num, kAhead); ++i) prefetch_to_read(memory + group.homes[i]);
  for (std::uint32_t i = 0; i < num; ++i) {
    const std::uint64_t remainder = HashParts::remainder(group.hashes[i]);
    group.lower[i] = static_cast<std::uint32_t>(remainder);
    group.rest[i] = static_cast<std::uint32_t>(remainder >> 32);
  }
}

template <typename Bucket>
inline void KeyIndex<Bucket>::find_rows(Group& group) const {
  const auto* const memory = reinterpret_cast<const Bucket*>(segment_memory_.data());
  std::uint32_t missed[kGroup];
  std::uint32_t num_missed = 0;
  for (std::uint32_t i = 0; i < group.num; ++i) {
    if (i + kAhead < group.num) prefetch_to_read(memory + group.homes[i + kAhead]);
    if constexpr (Bucket::kVersionBySegment) {
      group.seen[i] = segment_versions()[group.segments[i]].load(std::memory_order_acquire);
    }
    const Bucket& home = memory[group.homes[i]];
    const unsigned found = home.match(group.lower[i], group.rest[i], false);
    group.rows[i] = home.row(static_cast<std::uint32_t>(__builtin_ctz(found | 1U << (Bucket::kCells - 1))));
    missed[num_missed] = i;  // without a branch: whether a key is displaced cannot be predicted
    num_missed += found == 0 ? 1 : 0;
  }
  std::uint32_t num_away = 0;
  for (std::uint32_t at = 0; at < num_missed; ++at) {
    const std::uint32_t i = missed[at];
    group.rows[i] = kAbsent;
    if (memory[group.homes[i]].num_away() == 0) continue;
    prefetch_to_read(other_of(group.hashes[i], group.segments[i]));
    missed[num_away++] = i;
  }
  for (std::uint32_t at = 0; at < num_away; ++at) {
    const std::uint32_t i = missed[at];
    const Bucket* const other = other_of(group.hashes[i], group.segments[i]);
    const unsigned found = other->match(group.lower[i], group.rest[i], true);
    if (found == 0) continue;
    group.rows[i] = other->row(static_cast<std::uint32_t>(__builtin_ctz(found)));
  }
}

template <typename Bucket>
inline void KeyIndex<Bucket>::copy_rows(Group& group, auto& ask, auto& copy, auto& absent) const {
  const auto settled = [](std::uint32_t before, std::uint32_t after) {
    return before == after && (after & 1U) == 0;
  };
  const auto read_again = [&](std::uint32_t i) {
    const std::size_t position = group.start + i;
    if (!read(group.hashes[i], [&](std::uint32_t row) { copy(position, row); })) absent(position);
  };
  const auto ask_for = [&](std::uint32_t from, std::uint32_t num) {
    for (std::uint32_t i = from; i < std::min(group.num, from + num); ++i) ask(group.rows[i]);
  };
  const auto copy_or_not = [&](std::size_t position, std::uint32_t row) {
    if (row == kAbsent) {
      absent(position);
    } else {
      copy(position, row);
    }
  };
  ask_for(0, kBurst);
  for (std::uint32_t start = 0; start < group.num; start += kBurst) {
    const std::uint32_t end = std::min(group.num, start + kBurst);
    std::uint32_t i = start;
    for (; i + kTogether <= end; i += kTogether) {
      ask_for(i + kBurst, kTogether);
      std::uint32_t rows[kTogether];  // read before the copies, for the same reason
      std::memcpy(rows, group.rows + i, sizeof rows);
      bool all_present = true;
      for (const std::uint32_t row : rows) all_present &= row != kAbsent;
      if (!all_present) [[unlikely]] {
        for (std::uint32_t at = 0; at < kTogether; ++at) copy_or_not(group.start + i + at, rows[at]);
        continue;
      }
#pragma GCC unroll 8
      for (std::uint32_t at = 0; at < kTogether; ++at) copy(group.start + i + at, rows[at]);
    }
    for (; i < end; ++i) copy_or_not(group.start + i, group.rows[i]);
    if constexpr (Bucket::kVersionBySegment) {
      fence_acquire();
      for (i = start; i < end; ++i) {
        const Version& version = segment_versions()[group.segments[i]];
        const bool moved = !settled(group.seen[i], version.load(std::memory_order_acquire)) ||
                           (group.rows[i] == kAbsent && segment_of(group.hashes[i]) != group.segments[i]);
        if (moved) [[unlikely]]
          read_again(i);
      }
    }
  }
  if constexpr (!Bucket::kVersionBySegment) {
    fence_acquire();
    std::uint32_t moved = 0;
    for (unsigned shard = 0; shard < kNumShards; ++shard) {
      const std::uint32_t now = shard_versions_[shard].load(std::memory_order_acquire);
      moved |= settled(group.seen[shard], now) ? 0U : 1U << shard;
    }
    if (moved == 0) [[likely]]
      return;
    for (std::uint32_t i = 0; i < group.num; ++i) {
      if ((moved >> HashParts::shard(group.hashes[i]) & 1U) != 0) read_again(i);
    }
  }
}

template <typename Bucket>
template <typename Copy>
bool KeyIndex<Bucket>::read(std::uint64_t hash, Copy copy) const {
  for (;;) {
    const std::uint32_t segment = segment_of(hash);
    const Version& version = version_of(segment);
    const std::uint32_t seen = version.load(std::memory_order_acquire);
    if ((seen & 1U) != 0) {
      pause_briefly();
      continue;
    }
    const Place place = find(hash);
    if (place) copy(place.row());
    fence_acquire();
    if (version.load(std::memory_order_acquire) != seen || segment_of(hash) != segment) continue;
    return static_cast<bool>(place);
  }
}

template <typename Bucket>
inline auto KeyIndex<Bucket>::find_home(std::uint64_t hash, const Home& home,
                                        bool& may_be_away) const noexcept -> Place {
  const std::uint64_t remainder = HashParts::remainder(hash);
  const unsigned found = home.bucket->match(static_cast<std::uint32_t>(remainder),
                                            static_cast<std::uint32_t>(remainder >> 32), false);
  may_be_away = false;
  if (found != 0) return {home.bucket, static_cast<std::uint32_t>(__builtin_ctz(found)), home.segment};
  may_be_away = home.bucket->num_away() != 0;
  if (may_be_away) prefetch_other(hash, home);
  return {};
}

template <typename Bucket>
inline auto KeyIndex<Bucket>::find_away(std::uint64_t hash, const Home& home) const noexcept -> Place {
  Bucket* const other = other_of(hash, home);
  const std::uint64_t remainder = HashParts::remainder(hash);
  const unsigned found =
      other->match(static_cast<std::uint32_t>(remainder), static_cast<std::uint32_t>(remainder >> 32), true);
  if (found == 0) return {};
  return {other, static_cast<std::uint32_t>(__builtin_ctz(found)), home.segment};
}

template <typename Bucket>
auto KeyIndex<Bucket>::find(std::uint64_t hash) const noexcept -> Place {
  const Home at = home(hash);
  bool may_be_away = false;
  const Place place = find_home(hash, at, may_be_away);
  return place || !may_be_away ? place : find_away(hash, at);
}

template <typename Bucket>
template <typename Visit>
void KeyIndex<Bucket>::for_each_in_segment(std::uint32_t segment, Visit visit) const {
  const unsigned shard = shard_of_segment(segment);
  const std::uint32_t num = num_buckets(segment);
  Bucket* const all = buckets(segment);
  for (std::uint32_t b = 0; b < num; ++b) {
    for (std::uint32_t cell = 0; cell < Bucket::kCells; ++cell) {
      if (!all[b].is_occupied(cell)) continue;
      const std::uint64_t remainder = all[b].remainder(cell);
      const std::uint32_t home = all[b].is_displaced(cell) ? HashParts::other(b, remainder, num) : b;
      visit(HashParts::hash_of(shard, remainder, home), Place{&all[b], cell, segment});
    }
  }
}

template <typename Bucket>
template <typename Visit>
void KeyIndex<Bucket>::for_each_in_range(std::uint64_t from, unsigned num_bits, Visit visit) const {
  const std::uint64_t first = from >> (64 - num_bits);
  std::uint64_t at = first << (64 - num_bits);
  for (;;) {
    const std::uint32_t segment = segment_of(at);
    const std::uint32_t depth = infos()[segment].depth;
    for_each_in_segment(segment, [&](std::uint64_t hash, const Place& place) {
      if (hash >> (64 - num_bits) == first) visit(hash, place);
    });
    if (depth <= num_bits) return;
    at += std::uint64_t{1} << (64 - depth);
    if (at == 0 || at >> (64 - num_bits) != first) return;
  }
}

template <typename Bucket>
std::size_t KeyIndex<Bucket>::memory_bytes() const noexcept {
  return segment_memory_.size() + info_memory_.size() + first_memory_.size() + version_memory_.size() +
         directory_.memory_bytes();
}

}  // namespace freshet
