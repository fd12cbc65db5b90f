#include "freshet/pre_images.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>

namespace freshet {

void PreImages::add_block(std::size_t record_bytes) {
  const std::size_t bytes = std::max(kBlockBytes, record_bytes);
  Block block;
  block.bytes.reset(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{kBlockBytes})));
#ifdef MADV_HUGEPAGE
  madvise(block.bytes.get(), bytes, MADV_HUGEPAGE);  // only speed depends on it
#endif
  blocks_.push_back(std::move(block));
}

}  // namespace freshet
