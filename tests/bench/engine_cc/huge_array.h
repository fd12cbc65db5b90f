#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <span>

namespace bench {

/// A mapping of `num` trivial values in huge pages where there are any, aligned to their size.
template <typename Value>
class HugeArray {
 public:
  explicit HugeArray(std::size_t num) : num_(num), bytes_(num * sizeof(Value) + kPage) {
    mapping_ =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping_ == MAP_FAILED) throw std::bad_alloc();
    madvise(mapping_, bytes_, MADV_HUGEPAGE);  // only speed depends on it
    const auto start = reinterpret_cast<std::size_t>(mapping_);
    values_ = reinterpret_cast<Value*>((start + kPage - 1) / kPage * kPage);
  }
  HugeArray(const HugeArray&) = delete;
  HugeArray& operator=(const HugeArray&) = delete;
  ~HugeArray() { munmap(mapping_, bytes_); }

  Value& operator[](std::size_t at) noexcept { return values_[at]; }
  const Value& operator[](std::size_t at) const noexcept { return values_[at]; }
  Value* data() noexcept { return values_; }
  const Value* data() const noexcept { return values_; }
  std::size_t size() const noexcept { return num_; }

 private:
  static constexpr std::size_t kPage = std::size_t{2} << 20;

  std::size_t num_;
  std::size_t bytes_;
  void* mapping_;
  Value* values_;
};

}  // namespace bench
