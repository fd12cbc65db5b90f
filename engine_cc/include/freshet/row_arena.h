#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "freshet/reserved_memory.h"
#include "freshet/shared_words.h"

namespace freshet {

/// Rows of equal size in a reserved range: a row number and the row's address stay valid for the row's life. Each owner
/// (a shard of a table) has chunks of its own, of at most 64 KiB or one row. Freed rows are reused, those of the
/// owner's first chunks before others; a chunk that empties while another has room gives its memory back.
///
/// O(1) each. Thread safety: methods for one owner need exclusion, different owners may run together. A row's memory
/// stays readable after its release, so a reader without a lock may look and discard what it saw.
class RowArena {
 public:
  /// Throws std::bad_alloc. `row_bytes` is a multiple of 4.
  RowArena(std::size_t row_bytes, std::uint32_t num_owners, std::uint32_t max_rows, PageWarmer* warmer);

  /// A row of unset content. Strong guarantee: std::bad_alloc, or std::length_error at `max_rows`.
  std::uint32_t allocate(std::uint32_t owner);

  /// Touches the pages of as many rows now. Growth waits for it.
  void warm(std::size_t num_rows);

  /// Gives a row back to its owner.
  void release(std::uint32_t row) noexcept;

  std::byte* at(std::uint32_t row) const noexcept { return memory_.data() + std::size_t{row} * stride_; }

  /// Asks for a row that will be written, and for one that will only be read.
  void prefetch(std::uint32_t row) const noexcept {
    const std::byte* const first = at(row);
    for (std::size_t byte = 0; byte < row_bytes_; byte += 64) prefetch_to_write(first + byte);
  }
  void prefetch_to_read(std::uint32_t row) const noexcept {
    const std::byte* const first = at(row);
    for (std::size_t byte = 0; byte < row_bytes_; byte += 64) freshet::prefetch_to_read(first + byte);
  }

  std::size_t row_bytes() const noexcept { return row_bytes_; }
  /// Bytes from one row to the next: rounded up to whole cache lines where that wastes at most a sixteenth.
  std::size_t stride() const noexcept { return stride_; }
  /// Rows that all chunks together have room for: every row number is below.
  std::size_t num_reserved() const noexcept {
    return std::size_t{num_chunks_.load(std::memory_order_relaxed)} << shift_;
  }
  /// Memory of the chunks that hold rows, or did and were not given back: at most one of each owner.
  std::size_t memory_bytes() const noexcept;

 private:
  struct Chunk {
    std::uint32_t owner;
    std::uint32_t position;  // in the owner's list
    std::uint32_t num_live;
    std::uint32_t num_fresh;   // rows handed out at least once since the chunk was last empty
    std::uint32_t first_free;  // row number + 1 of the last freed row, which holds the next; 0: none
  };
  struct alignas(64) Owner {
    std::vector<std::uint32_t> chunks;
    std::size_t first_with_room = 0;  // no chunk before it has room
    std::atomic<std::size_t> num_resident = 0;
  };

  Chunk& chunk(std::uint32_t number) const noexcept {
    return reinterpret_cast<Chunk*>(chunk_memory_.data())[number];
  }
  void add_chunk(std::uint32_t owner);
  void give_back(std::uint32_t number) noexcept;

  const std::size_t row_bytes_;
  const std::size_t stride_;
  const unsigned shift_;  // log2 of the rows in a chunk
  const std::uint32_t max_rows_;
  ReservedMemory memory_;
  ReservedMemory chunk_memory_;
  std::mutex grow_mutex_;
  std::atomic<std::uint32_t> num_chunks_ = 0;
  std::vector<Owner> owners_;
};

}  // namespace freshet
