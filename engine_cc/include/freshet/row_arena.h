#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace freshet {

/// What a row is marked with; several may hold.
enum RowState : std::uint8_t {
  kLive = 1,      // in use
  kTouched = 2,   // changed since it was last exported
  kInFlight = 4,  // exported, not yet acknowledged
  kListed =
      8,  // its number stands in the touched list; outlives the row, so that no number stands there twice
};

/// The rows of a table in chunks that never move: a row number and a pointer into a row stay valid for the
/// row's life. A row is vector[dim] and accumulator[dim] side by side, padded so that it spans no more cache
/// lines than it must; FID, slot and state lie in arrays of their own, because lookups and gradients do not
/// read them all.
///
/// Freed rows form a list through their FID words and are reused, last freed first. allocate and release are
/// O(1); a chunk is about 2 MiB. Not thread safe: const methods may run together, others need exclusion.
class RowArena {
 public:
  explicit RowArena(std::uint32_t dim);

  /// A row marked live (and `kListed` if its number was), its floats unset. Strong guarantee: throws
  /// std::bad_alloc, or std::length_error at 2^32 - 1 rows, and leaves the arena as it was.
  std::uint32_t allocate(std::uint64_t fid, std::uint16_t slot);

  /// Gives a live row back.
  void release(std::uint32_t row) noexcept;

  float* vector(std::uint32_t row) noexcept { return chunks_[row >> shift_].values.get() + offset(row); }
  const float* vector(std::uint32_t row) const noexcept {
    return chunks_[row >> shift_].values.get() + offset(row);
  }
  float* accumulator(std::uint32_t row) noexcept { return vector(row) + dim_; }
  const float* accumulator(std::uint32_t row) const noexcept { return vector(row) + dim_; }
  std::uint64_t fid(std::uint32_t row) const noexcept { return chunks_[row >> shift_].fids[row & mask_]; }
  std::uint16_t slot(std::uint32_t row) const noexcept { return chunks_[row >> shift_].slots[row & mask_]; }
  void set_slot(std::uint32_t row, std::uint16_t slot) noexcept {
    chunks_[row >> shift_].slots[row & mask_] = slot;
  }
  std::uint8_t state(std::uint32_t row) const noexcept { return chunks_[row >> shift_].states[row & mask_]; }
  std::uint8_t& state(std::uint32_t row) noexcept { return chunks_[row >> shift_].states[row & mask_]; }

  /// Asks for a row's vector, and its accumulator when it will be wanted.
  void prefetch(std::uint32_t row, bool with_accumulator) const noexcept {
    const auto* line = reinterpret_cast<const char*>(vector(row));
    const std::size_t bytes = sizeof(float) * dim_ * (with_accumulator ? 2 : 1);
    for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(line + at);
  }

  /// One past the highest row number ever used.
  std::uint32_t end_row() const noexcept { return end_row_; }
  std::size_t memory_bytes() const noexcept;

 private:
  struct FreeValues {
    void operator()(float* values) const noexcept {
      ::operator delete(values, std::align_val_t{kChunkBytes});
    }
  };
  struct Chunk {
    std::unique_ptr<float, FreeValues> values;
    std::unique_ptr<std::uint64_t[]> fids;
    std::unique_ptr<std::uint16_t[]> slots;
    std::unique_ptr<std::uint8_t[]> states;
  };

  static constexpr std::size_t kChunkBytes = std::size_t{2} << 20;
  static constexpr std::uint32_t kNoRow = UINT32_MAX;

  std::size_t offset(std::uint32_t row) const noexcept { return std::size_t{row & mask_} * stride_; }
  void add_chunk();

  std::uint32_t dim_;
  std::size_t stride_;  // floats from one row to the next
  unsigned shift_;      // log2 of the rows in a chunk
  std::uint32_t mask_;
  std::uint32_t end_row_ = 0;
  std::uint32_t first_free_ = kNoRow;
  std::vector<Chunk> chunks_;
};

}  // namespace freshet
