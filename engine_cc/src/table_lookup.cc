#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "freshet/dispatch.h"
#include "freshet/table.h"

namespace freshet {
namespace {

/// The batch of a given dim, so that copying a row is a few instructions.
template <std::size_t kDim>
struct RowCopy {
  RowCopy(const RowArena& rows, std::size_t any_dim, float* target)
      : first_row(rows.at(0)), stride(rows.stride()), dim(any_dim), out(target) {}

  const std::byte* first_row;
  std::size_t stride;
  std::size_t dim;
  float* out;

  std::size_t width() const noexcept { return kDim == 0 ? dim : kDim; }
  void ask(std::uint32_t row) const noexcept {
    const std::byte* const first = first_row + row * stride;
    for (std::size_t byte = 0; byte < width() * sizeof(float); byte += 64) prefetch_to_read(first + byte);
  }
  void operator()(std::size_t position, std::uint32_t row) const noexcept {
    load_shared(out + position * width(), first_row + row * stride, width() * sizeof(float));
  }
};

using Index = KeyIndex<MarkedBucket>;
using Keys = std::span<const std::uint64_t>;

template <std::size_t kDim, typename Absent>
[[gnu::always_inline]] inline void copy_batch(const Index& index, const RowCopy<kDim>& copy, Keys fids,
                                              Absent& absent) {
  index.read_batch(fids, [&](std::uint32_t row) { copy.ask(row); }, copy, absent);
}

struct ZeroFill {
  float* out;
  std::size_t dim;
  void operator()(std::size_t position) const noexcept { std::fill_n(out + position * dim, dim, 0.0F); }
};

struct InitialFill {
  float* out;
  std::size_t dim;
  const TableOptions* options;
  Keys fids;
  void operator()(std::size_t position) const noexcept {
    initialise_vector(options->initializer, options->seed, fids[position], out + position * dim,
                      options->dim);
  }
};

FRESHET_CLONES void copy_16(const Index& index, const RowArena& rows, Keys fids, float* out,
                            ZeroFill absent) {
  copy_batch<16>(index, {rows, 16, out}, fids, absent);
}
FRESHET_CLONES void copy_32(const Index& index, const RowArena& rows, Keys fids, float* out,
                            ZeroFill absent) {
  copy_batch<32>(index, {rows, 32, out}, fids, absent);
}
FRESHET_CLONES void copy_64(const Index& index, const RowArena& rows, Keys fids, float* out,
                            ZeroFill absent) {
  copy_batch<64>(index, {rows, 64, out}, fids, absent);
}
FRESHET_CLONES void copy_any(const Index& index, const RowArena& rows, Keys fids, float* out,
                             ZeroFill absent) {
  copy_batch<0>(index, {rows, absent.dim, out}, fids, absent);
}
FRESHET_CLONES void copy_initial(const Index& index, const RowArena& rows, Keys fids, float* out,
                                 InitialFill absent) {
  copy_batch<0>(index, {rows, absent.dim, out}, fids, absent);
}

}  // namespace

void Table::lookup(Keys fids, std::span<float> out, Absent absent) const {
  check_batch(fids.size());
  check_matrix("out", fids.size(), out.size());
  const std::size_t dim = options_.dim;
  if (absent == Absent::kInitial) {
    return copy_initial(index_, rows_, fids, out.data(), {out.data(), dim, &options_, fids});
  }
  const ZeroFill zeros{out.data(), dim};
  switch (dim) {
    case 16:
      return copy_16(index_, rows_, fids, out.data(), zeros);
    case 32:
      return copy_32(index_, rows_, fids, out.data(), zeros);
    case 64:
      return copy_64(index_, rows_, fids, out.data(), zeros);
    default:
      return copy_any(index_, rows_, fids, out.data(), zeros);
  }
}

void Table::contains(Keys fids, std::span<bool> out) const {
  check_batch(fids.size());
  if (out.size() != fids.size()) {
    throw std::invalid_argument("out must have one element per FID: " + std::to_string(fids.size()) +
                                ", received " + std::to_string(out.size()));
  }
  index_.read_batch(
      fids, [](std::uint32_t) {}, [&](std::size_t position, std::uint32_t) { out[position] = true; },
      [&](std::size_t position) { out[position] = false; });
}

}  // namespace freshet
