#include "freshet/segment_directory.h"

namespace freshet {

SegmentDirectory::SegmentDirectory(unsigned depth, const std::vector<std::uint32_t>& segments) {
  all_.push_back(std::make_unique<Entries>(depth));
  for (std::size_t i = 0; i < segments.size(); ++i) all_.back()->segments[i] = segments[i];
  newest_.store(all_.back().get());
}

void SegmentDirectory::grow() {
  auto grown = std::make_unique<Entries>(depth() + 1);
  const Entries& old = *all_.back();
  for (std::size_t i = 0; i < num_entries(); ++i) {
    grown->segments[2 * i] = old.segments[i];
    grown->segments[2 * i + 1] = old.segments[i];
  }
  all_.push_back(std::move(grown));
  newest_.store(all_.back().get(), std::memory_order_release);
}

void SegmentDirectory::set(std::uint64_t prefix, unsigned prefix_depth, std::uint32_t segment) noexcept {
  Entries& entries = *all_.back();
  const std::size_t span = num_entries() >> prefix_depth;
  for (std::size_t i = 0; i < span; ++i) {
    std::atomic_ref<std::uint32_t>(entries.segments[prefix * span + i])
        .store(segment, std::memory_order_release);
  }
}

}  // namespace freshet
