#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace freshet {

/// One row's record (`freshet/record_pooling.h` says what stands where), made slot by slot. For one thread; throws std::bad_alloc, after
/// which it may only be destroyed.
class RecordWriter {
 public:
  /// Of `num_slots` slots, none of which has a value yet.
  RecordWriter(std::size_t num_slots, std::span<const float> dense);

  /// A further value of the slot whose turn it is.
  void add(std::uint64_t fid) { words_.push_back(fid); }

  /// Values that the slot whose turn it is has so far.
  std::size_t num_added() const noexcept { return words_.size() - begun_; }

  /// It is the next slot's turn. Throws std::invalid_argument for more than 65,535 values, and std::logic_error beyond the last slot.
  void end_slot();

  /// The record. Throws std::logic_error before every slot has ended.
  std::vector<std::uint64_t> take();

 private:
  std::vector<std::uint64_t> words_;
  std::size_t num_slots_;
  std::size_t num_ended_ = 0;
  std::size_t begun_ = 0;
};

}  // namespace freshet
