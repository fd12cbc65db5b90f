#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace freshet {

/// What a checkpoint writes of a row beside its floats.
struct RowRecord {
  std::uint64_t fid;
  std::uint32_t seen_at_s;
  std::uint16_t slot;
  std::uint8_t count;
  std::uint8_t touched;
};

/// Rows as they were when the running checkpoint began, of those that have changed before it came to them. In blocks of
/// 256 KiB, so that adding never moves what is there; blocks that were read are filled again, because the first touch of
/// memory costs a writer more than the copy. Not thread safe.
class PreImages {
 public:
  /// Throws std::bad_alloc, with nothing added.
  void add(const RowRecord& record, const float* floats, std::size_t num_floats) {
    const std::size_t bytes = sizeof record + num_floats * sizeof(float);
    if (blocks_.empty() || blocks_.back().used + bytes > blocks_.back().size) add_block(bytes);
    Block& block = blocks_.back();
    std::memcpy(block.bytes.get() + block.used, &record, sizeof record);
    std::memcpy(block.bytes.get() + block.used + sizeof record, floats, num_floats * sizeof(float));
    block.used += bytes;
    ++num_;
  }

  /// Calls `visit(record, floats)` for each; `floats` may be unaligned.
  template <typename Visit>
  void for_each(std::size_t num_floats, Visit visit) const {
    const std::size_t bytes = sizeof(RowRecord) + num_floats * sizeof(float);
    for (const Block& block : blocks_) {
      for (std::size_t at = 0; at < block.used; at += bytes) {
        RowRecord record;
        std::memcpy(&record, block.bytes.get() + at, sizeof record);
        visit(record, block.bytes.get() + at + sizeof record);
      }
    }
  }

  /// The rows so far, which are here no more; memory for others stays.
  PreImages take() noexcept;

  /// Uses the blocks of `read` again, of which nothing is needed any more. Without memory for that they are freed.
  void reuse(PreImages read) noexcept;

  bool empty() const noexcept { return num_ == 0; }
  std::size_t size() const noexcept { return num_; }
  std::size_t memory_bytes() const noexcept;

 private:
  static constexpr std::size_t kBlockBytes = std::size_t{256} << 10;

  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
    std::size_t used = 0;
  };

  void add_block(std::size_t record_bytes);

  std::vector<Block> blocks_;
  std::vector<Block> spare_;
  std::size_t num_ = 0;
};

}  // namespace freshet
