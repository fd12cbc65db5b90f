#include "freshet/row_arena.h"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string>

#include "freshet/shared_words.h"

namespace freshet {
namespace {

constexpr std::uint32_t kFreshAhead = 16;
constexpr std::size_t kChunkBytes = std::size_t{64} << 10;

std::size_t stride_of(std::size_t row_bytes) {
  for (std::size_t unit = 64; unit > 4; unit /= 2) {
    const std::size_t stride = (row_bytes + unit - 1) / unit * unit;
    if (stride - row_bytes <= row_bytes / 16) return stride;
  }
  return row_bytes;
}

}  // namespace

RowArena::RowArena(std::size_t row_bytes, std::uint32_t num_owners, std::uint32_t max_rows,
                   PageWarmer* warmer)
    : row_bytes_(row_bytes),
      stride_(stride_of(row_bytes)),
      shift_(static_cast<unsigned>(std::bit_width(std::max(kChunkBytes / stride_, std::size_t{1})) - 1)),
      max_rows_(max_rows),
      memory_(std::min(ReservedMemory::ample_bytes(), std::size_t{max_rows} * stride_), warmer),
      chunk_memory_((memory_.capacity() / (stride_ << shift_) + 1) * sizeof(Chunk), nullptr),
      owners_(num_owners) {}

void RowArena::add_chunk(std::uint32_t owner) {
  Owner& own = owners_[owner];
  if (own.chunks.size() == own.chunks.capacity()) own.chunks.reserve(2 * own.chunks.size() + 1);
  const std::lock_guard lock(grow_mutex_);
  if ((std::uint64_t{num_chunks_} + 1) << shift_ > max_rows_) {
    throw std::length_error("a table holds at most " + std::to_string(max_rows_) + " rows");
  }
  chunk_memory_.grow_to((std::size_t{num_chunks_} + 1) * sizeof(Chunk));
  memory_.grow_to((std::size_t{num_chunks_} + 1) * (stride_ << shift_));
  chunk(num_chunks_) = {owner, static_cast<std::uint32_t>(own.chunks.size()), 0, 0, 0};
  own.chunks.push_back(num_chunks_++);
}

void RowArena::warm(std::size_t num_rows) {
  const std::size_t num = std::min<std::size_t>(num_rows, max_rows_);
  const std::lock_guard lock(grow_mutex_);
  memory_.warm(memory_.size(),
               (num + (owners_.size() << shift_)) * stride_);  // each owner's last chunk has room
}

std::uint32_t RowArena::allocate(std::uint32_t owner) {
  Owner& own = owners_[owner];
  while (own.first_with_room < own.chunks.size() &&
         chunk(own.chunks[own.first_with_room]).num_live >> shift_ != 0) {
    ++own.first_with_room;
  }
  if (own.first_with_room == own.chunks.size()) add_chunk(owner);
  const std::uint32_t number = own.chunks[own.first_with_room];
  Chunk& from = chunk(number);
  if (from.num_fresh == 0) own.num_resident.fetch_add(1, std::memory_order_relaxed);
  ++from.num_live;
  if (from.first_free == 0) {
    const std::uint32_t fresh = (number << shift_) + from.num_fresh++;
    prefetch(fresh + kFreshAhead);  // past the chunk's end it asks in vain
    return fresh;
  }
  const std::uint32_t row = from.first_free - 1;
  from.first_free = load_word(*reinterpret_cast<const std::uint32_t*>(at(row)));
  return row;
}

void RowArena::release(std::uint32_t row) noexcept {
  const std::uint32_t number = row >> shift_;
  Chunk& to = chunk(number);
  Owner& own = owners_[to.owner];
  store_word(*reinterpret_cast<std::uint32_t*>(at(row)), to.first_free);
  to.first_free = row + 1;
  --to.num_live;
  if (to.position < own.first_with_room) {
    if (own.first_with_room < own.chunks.size()) give_back(own.chunks[own.first_with_room]);
    own.first_with_room = to.position;
  }
  if (to.position != own.first_with_room) give_back(number);  // the first one is filled again at once
}

/// Gives a chunk's memory to the system if it holds no row.
void RowArena::give_back(std::uint32_t number) noexcept {
  Chunk& empty = chunk(number);
  if (empty.num_live != 0 || empty.num_fresh == 0) return;
  empty.first_free = 0;
  empty.num_fresh = 0;
  owners_[empty.owner].num_resident.fetch_sub(1, std::memory_order_relaxed);
  const std::size_t bytes = stride_ << shift_;
  memory_.release(std::size_t{number} * bytes, bytes);
}

std::size_t RowArena::memory_bytes() const noexcept {
  std::size_t num_resident = 0;
  for (const Owner& owner : owners_) num_resident += owner.num_resident.load(std::memory_order_relaxed);
  return num_resident * (stride_ << shift_) + chunk_memory_.size();
}

}  // namespace freshet
