#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
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
/// 2 MiB, so that adding never moves what is there. Not thread safe.
class PreImages {
 public:
  /// Throws std::bad_alloc, with nothing added.
  void add(const RowRecord& record, const float* floats, std::size_t num_floats) {
    const std::size_t bytes = sizeof record + num_floats * sizeof(float);
    if (blocks_.empty() || blocks_.back().used + bytes > kBlockBytes) add_block(bytes);
    Block& block = blocks_.back();
    std::memcpy(block.bytes.get() + block.used, &record, sizeof record);
    std::memcpy(block.bytes.get() + block.used + sizeof record, floats, num_floats * sizeof(float));
    block.used += bytes;
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

  bool empty() const noexcept { return blocks_.empty(); }
  std::size_t memory_bytes() const noexcept { return blocks_.size() * kBlockBytes; }

 private:
  static constexpr std::size_t kBlockBytes = std::size_t{2} << 20;

  struct Free {
    void operator()(std::byte* bytes) const noexcept {
      ::operator delete(bytes, std::align_val_t{kBlockBytes});
    }
  };
  struct Block {
    std::unique_ptr<std::byte, Free> bytes;
    std::size_t used = 0;
  };

  void add_block(std::size_t record_bytes);

  std::vector<Block> blocks_;
};

}  // namespace freshet
