#include "freshet/row_arena.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <bit>
#include <stdexcept>

namespace freshet {
namespace {

constexpr std::size_t kLineFloats = 16;

/// The smallest power of two that holds a row within one cache line, else whole lines.
std::size_t stride_of(std::uint32_t dim) {
  const std::size_t floats = std::size_t{2} * dim;
  return floats <= kLineFloats ? std::bit_ceil(floats)
                               : (floats + kLineFloats - 1) / kLineFloats * kLineFloats;
}

}  // namespace

RowArena::RowArena(std::uint32_t dim)
    : dim_(dim),
      stride_(stride_of(dim)),
      shift_(static_cast<unsigned>(std::bit_width(kChunkBytes / (stride_ * sizeof(float))) - 1)),
      mask_((std::uint32_t{1} << shift_) - 1) {}

void RowArena::add_chunk() {
  const std::size_t rows = std::size_t{1} << shift_;
  Chunk chunk;
  chunk.values.reset(static_cast<float*>(::operator new(kChunkBytes, std::align_val_t{kChunkBytes})));
#ifdef MADV_HUGEPAGE
  madvise(chunk.values.get(), kChunkBytes, MADV_HUGEPAGE);  // only speed depends on it
#endif
  chunk.fids = std::make_unique_for_overwrite<std::uint64_t[]>(rows);
  chunk.slots = std::make_unique_for_overwrite<std::uint16_t[]>(rows);
  chunk.states = std::make_unique<std::uint8_t[]>(rows);
  chunks_.push_back(std::move(chunk));
}

std::uint32_t RowArena::allocate(std::uint64_t fid, std::uint16_t slot) {
  std::uint32_t row = first_free_;
  if (row != kNoRow) {
    first_free_ = static_cast<std::uint32_t>(this->fid(row));
  } else {
    if (end_row_ == kNoRow) throw std::length_error("a table holds at most 2^32 - 1 rows");
    if ((end_row_ >> shift_) == chunks_.size()) add_chunk();
    row = end_row_++;
  }
  Chunk& chunk = chunks_[row >> shift_];
  chunk.fids[row & mask_] = fid;
  chunk.slots[row & mask_] = slot;
  chunk.states[row & mask_] |= kLive;
  return row;
}

void RowArena::release(std::uint32_t row) noexcept {
  Chunk& chunk = chunks_[row >> shift_];
  chunk.states[row & mask_] &= kListed;
  chunk.fids[row & mask_] = first_free_;
  first_free_ = row;
}

std::size_t RowArena::memory_bytes() const noexcept {
  const std::size_t rows = std::size_t{1} << shift_;
  const std::size_t chunk_bytes =
      kChunkBytes + rows * (sizeof(std::uint64_t) + sizeof(std::uint16_t) + sizeof(std::uint8_t));
  return chunks_.size() * chunk_bytes + chunks_.capacity() * sizeof(Chunk);
}

}  // namespace freshet
