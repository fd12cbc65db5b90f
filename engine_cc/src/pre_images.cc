#include "freshet/pre_images.h"

#include <algorithm>
#include <new>

namespace freshet {

void PreImages::add_block(std::size_t record_bytes) {
  if (!spare_.empty()) {
    blocks_.push_back(std::move(spare_.back()));
    spare_.pop_back();
    blocks_.back().used = 0;
    return;
  }
  Block block;
  block.size = std::max(kBlockBytes, record_bytes);
  block.bytes.reset(new std::byte[block.size]);
  blocks_.push_back(std::move(block));
}

PreImages PreImages::take() noexcept {
  PreImages taken;
  taken.blocks_ = std::exchange(blocks_, {});
  taken.num_ = std::exchange(num_, 0);
  return taken;
}

void PreImages::reuse(PreImages read) noexcept {
  try {
    spare_.reserve(spare_.size() + read.blocks_.size());
  } catch (const std::bad_alloc&) {
    return;
  }
  for (Block& block : read.blocks_) spare_.push_back(std::move(block));
}

std::size_t PreImages::memory_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const Block& block : blocks_) bytes += block.size;
  for (const Block& block : spare_) bytes += block.size;
  return bytes;
}

}  // namespace freshet
