#include "freshet/key_index.h"

#include <algorithm>
#include <stdexcept>

namespace freshet {
namespace {

/// Which cells of the bucket hold `key`: bit i for cell i. Without branches, because which cell it is cannot
/// be predicted.
template <typename Bucket>
unsigned match(const Bucket& bucket, std::uint64_t key) noexcept {
  unsigned mask = 0;
  for (unsigned i = 0; i < bucket.keys.size(); ++i) {
    mask |= static_cast<unsigned>((bucket.keys[i] == key) & (bucket.rows[i] != KeyIndex::kAbsent)) << i;
  }
  return mask;
}

}  // namespace

KeyIndex::Segment::Segment(std::uint64_t prefix_, unsigned depth_) noexcept
    : prefix(prefix_), depth(depth_), split_at(split_load(prefix_, depth_)) {
  for (Bucket& bucket : buckets) {
    bucket.keys.fill(0);
    bucket.rows.fill(kAbsent);
    bucket.num_passed = 0;
  }
}

void KeyIndex::Segment::place(std::uint64_t key, std::uint64_t hash, std::uint32_t row) noexcept {
  for (std::size_t at = hash & kBucketMask;; at = (at + 1) & kBucketMask) {
    Bucket& bucket = buckets[at];
    for (std::size_t i = 0; i < kBucketCells; ++i) {
      if (bucket.rows[i] != kAbsent) continue;
      bucket.keys[i] = key;
      bucket.rows[i] = row;
      ++num_keys;
      return;
    }
    ++bucket.num_passed;
  }
}

std::uint32_t KeyIndex::Segment::remove(std::uint64_t key, std::uint64_t hash) noexcept {
  const std::size_t home = hash & kBucketMask;
  for (std::size_t step = 0; step < kBuckets; ++step) {
    Bucket& bucket = buckets[(home + step) & kBucketMask];
    if (const unsigned mask = match(bucket, key)) {
      const auto cell = static_cast<std::size_t>(__builtin_ctz(mask));
      const std::uint32_t row = bucket.rows[cell];
      bucket.rows[cell] = kAbsent;
      for (std::size_t back = 0; back < step; ++back) --buckets[(home + back) & kBucketMask].num_passed;
      --num_keys;
      return row;
    }
    if (bucket.num_passed == 0) break;
  }
  return kAbsent;
}

KeyIndex::KeyIndex(std::uint64_t salt) : salt_(mix64(salt + kGolden64)) {
  segments_.push_back(std::make_unique<Segment>(0, 0U));
  directory_.assign(2, segments_.front().get());
}

/// Between 0.68 and 0.85 of the cells, a function of the segment's place.
std::size_t KeyIndex::split_load(std::uint64_t prefix, unsigned depth) noexcept {
  const std::uint64_t spread = mix64((prefix << 6) + depth + kGolden64) >> 54;  // 0 .. 1023
  return kCells * (680 + spread / 6) / 1000;
}

std::uint32_t KeyIndex::find(std::uint64_t key, std::uint64_t hash) const noexcept {
  const Segment& segment = segment_of(hash);
  std::size_t at = hash & kBucketMask;
  for (std::size_t step = 0; step < kBuckets; ++step, at = (at + 1) & kBucketMask) {
    const Bucket& bucket = segment.buckets[at];
    if (const unsigned mask = match(bucket, key))
      return bucket.rows[static_cast<unsigned>(__builtin_ctz(mask))];
    if (bucket.num_passed == 0) break;
  }
  return kAbsent;
}

void KeyIndex::insert(std::uint64_t key, std::uint64_t hash, std::uint32_t row) {
  Segment* segment = &segment_of(hash);
  while (segment->num_keys >= segment->split_at && split(*segment)) segment = &segment_of(hash);
  if (segment->num_keys == kCells) {
    throw std::length_error(
        "a segment of the index is full and may not split: the keys were chosen to share it");
  }
  segment->place(key, hash, row);
  ++size_;
}

std::uint32_t KeyIndex::erase(std::uint64_t key, std::uint64_t hash) noexcept {
  const std::uint32_t row = segment_of(hash).remove(key, hash);
  if (row != kAbsent) --size_;
  return row;
}

/// Doubles the directory unless it is out of proportion to the segments already.
bool KeyIndex::grow_directory() {
  if (directory_.size() * 2 > kMaxSpread * std::max<std::size_t>(segments_.size(), 4)) return false;
  std::vector<Segment*> doubled(directory_.size() * 2);
  for (std::size_t i = 0; i < doubled.size(); ++i) doubled[i] = directory_[i / 2];
  directory_.swap(doubled);
  ++depth_;
  return true;
}

/// Moves half of a segment's range of hashes to a new segment. Nothing throws once keys begin to move.
bool KeyIndex::split(Segment& full) {
  if (full.depth == depth_ && !grow_directory()) return false;
  const unsigned depth = full.depth + 1;
  segments_.push_back(std::make_unique<Segment>(full.prefix * 2 + 1, depth));
  Segment& upper = *segments_.back();
  const unsigned bit = 64 - depth;
  for (Bucket& bucket : full.buckets) {
    for (std::size_t i = 0; i < kBucketCells; ++i) {
      if (bucket.rows[i] == kAbsent) continue;
      const std::uint64_t key = bucket.keys[i];
      const std::uint64_t key_hash = hash(key);
      if (((key_hash >> bit) & 1) == 0) continue;
      upper.place(key, key_hash, bucket.rows[i]);
      full.remove(key, key_hash);
    }
  }
  full.prefix *= 2;
  full.depth = depth;
  full.split_at = split_load(full.prefix, depth);
  const std::size_t span = directory_.size() >> depth;
  const auto first = directory_.begin() + static_cast<std::ptrdiff_t>(upper.prefix * span);
  std::fill(first, first + static_cast<std::ptrdiff_t>(span), &upper);
  return true;
}

std::size_t KeyIndex::memory_bytes() const noexcept {
  return segments_.size() * sizeof(Segment) + segments_.capacity() * sizeof(segments_[0]) +
         directory_.capacity() * sizeof(directory_[0]);
}

std::size_t KeyIndex::num_passed() const noexcept {
  std::size_t sum = 0;
  for (const auto& segment : segments_) {
    for (const Bucket& bucket : segment->buckets) sum += bucket.num_passed;
  }
  return sum;
}

}  // namespace freshet
