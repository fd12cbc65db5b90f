#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace freshet {

/// The FIDs of touched rows in the order in which they were first touched: a queue in blocks, in which room is made
/// before anything changes, so that noting a FID afterwards cannot fail. A FID whose row has gone or was exported may
/// still stand here; the table, which knows, passes over it. Not thread safe.
class TouchedLog {
 public:
  /// Makes room for `num` more. Strong guarantee.
  void reserve(std::size_t num) {
    while (room_ < num) {
      blocks_.push_back(std::make_unique_for_overwrite<std::uint64_t[]>(kBlock));
      room_ += kBlock;
    }
  }

  /// Precondition: there is room.
  void push(std::uint64_t fid) noexcept {
    const std::size_t at = first_ + size_;
    blocks_[at / kBlock][at % kBlock] = fid;
    ++size_;
    --room_;
  }

  /// The FID that `number` others stand before. Precondition: number < size().
  std::uint64_t at(std::size_t number) const noexcept {
    const std::size_t place = first_ + number;
    return blocks_[place / kBlock][place % kBlock];
  }

  /// Removes the first `num`, at most size().
  void pop(std::size_t num) noexcept {
    size_ -= num;
    for (first_ += num; first_ >= kBlock; first_ -= kBlock) blocks_.pop_front();
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t memory_bytes() const noexcept { return blocks_.size() * kBlock * sizeof(std::uint64_t); }
  void clear() noexcept { *this = TouchedLog(); }

 private:
  static constexpr std::size_t kBlock = 4096;

  std::deque<std::unique_ptr<std::uint64_t[]>> blocks_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
};

}  // namespace freshet
