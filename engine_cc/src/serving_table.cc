#include "freshet/serving_table.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "freshet/dispatch.h"
#include "freshet/instruction_set.h"

namespace freshet {
namespace {

using Index = KeyIndex<CompactBucket>;
using Keys = std::span<const std::uint64_t>;

std::uint32_t checked_dim(std::uint32_t dim) {
  if (dim < 1 || dim > ServingTable::kMaxDim) {
    throw std::invalid_argument("dim must be 1 to " + std::to_string(ServingTable::kMaxDim) + ", received " +
                                std::to_string(dim));
  }
  return dim;
}

/// Rows of whole words, so that they can be shared word by word.
std::size_t padded(std::size_t bytes) { return (bytes + 3) / 4 * 4; }

/// Where rows go: one after the other, or each to an address of its own.
struct OneAfterTheOther {
  float* first;
  std::uint32_t dim;
  float* at(std::size_t position) const noexcept { return first + position * dim; }
};
struct Each {
  float* const* addresses;
  float* at(std::size_t position) const noexcept { return addresses[position]; }
};

/// What a batch of readers needs. `Convert` decodes one row; it is a type and not a function pointer where that is worth
/// it, because a call's own stack traffic, between copies that wait for memory, was seen to cost half as much again.
template <typename Convert, typename Out = OneAfterTheOther>
struct Decode {
  const std::byte* first_row;
  std::size_t stride;
  std::size_t row_bytes;
  std::uint32_t dim;
  Out out;
  Convert convert;

  void operator()(std::size_t position, std::uint32_t row) const noexcept {
#if FRESHET_CHECKED_WORDS
    std::byte copied[sizeof(float) * (ServingTable::kMaxDim + 1)];
    load_shared(copied, first_row + row * stride, row_bytes);
    convert(copied, dim, out.at(position));
#else
    convert(first_row + row * stride, dim, out.at(position));
#endif
  }
};

template <typename Convert, typename Out>
[[gnu::always_inline]] inline void decode_rows(const Index& index, Keys fids,
                                               const Decode<Convert, Out> copy) {
  const auto ask = [=](std::uint32_t row) {
    for (std::size_t byte = 0; byte < copy.row_bytes; byte += 64) {
      prefetch_to_read(copy.first_row + row * copy.stride + byte);
    }
  };
  index.read_batch(fids, ask, copy,
                   [=](std::size_t position) { std::fill_n(copy.out.at(position), copy.dim, 0.0F); });
}

FRESHET_CLONES void decode_any(const Index& index, Keys fids, const Decode<DecodeFn>& copy) {
  decode_rows(index, fids, copy);
}

FRESHET_CLONES void decode_each(const Index& index, Keys fids, const Decode<DecodeFn, Each>& copy) {
  decode_rows(index, fids, copy);
}

#if defined(__x86_64__) && !FRESHET_CHECKED_WORDS
/// Rows of 16 or a multiple of 16 halves on a processor with AVX-512. In assembly, because the compiler does not inline
/// a function for AVX-512 into the readers' loop, which is made for every processor.
struct Halves {
  [[gnu::always_inline]] void operator()(const std::byte* row, std::uint32_t dim, float* out) const noexcept {
    for (std::uint32_t i = 0; i < dim; i += 16) {
      auto& target = *reinterpret_cast<float (*)[16]>(out + i);
      asm("vcvtph2ps %1, %%zmm0\n\tvmovups %%zmm0, %0"
          : "=m"(target)
          : "m"(*reinterpret_cast<const std::byte(*)[32]>(row + 2 * i))
          : "xmm0");
    }
  }
};

[[gnu::target("arch=x86-64-v4")]] void decode_halves(const Index& index, Keys fids,
                                                     const Decode<Halves>& copy) {
  if (copy.dim == 16) {  // known to the compiler, the loops over a row vanish
    decode_rows(index, fids, Decode<Halves>{copy.first_row, copy.stride, 32, 16, {copy.out.first, 16}, {}});
  } else {
    decode_rows(index, fids, copy);
  }
}
#endif

}  // namespace

ServingTable::ServingTable(std::uint32_t dim, Precision precision, std::uint64_t index_salt)
    : dim_(checked_dim(dim)),
      precision_(precision),
      row_bytes_(encoded_bytes(precision, dim)),
      encode_(encoder(precision)),
      decode_(decoder(precision)),
      row_digest_(row_digest_function()),
      index_(index_salt, &warmer_),
      rows_(padded(row_bytes_), Index::kNumShards, Index::kMaxRows, &warmer_) {}

ServingTable::~ServingTable() { warmer_.stop(); }

void ServingTable::check_batch(std::size_t num_fids) const {
  if (num_fids > kMaxBatch) {
    throw std::invalid_argument("a batch has at most " + std::to_string(kMaxBatch) + " FIDs, received " +
                                std::to_string(num_fids));
  }
}

void ServingTable::lookup(Keys fids, std::span<float> out) const {
  check_batch(fids.size());
  if (out.size() != fids.size() * dim_) {
    throw std::invalid_argument("out must have " + std::to_string(fids.size()) + " rows of " +
                                std::to_string(dim_) + " floats, received " + std::to_string(out.size()) +
                                " floats in all");
  }
#if defined(__x86_64__) && !FRESHET_CHECKED_WORDS
  if (precision_ == Precision::kFloat16 && dim_ % 16 == 0 && widest_set() == InstructionSet::kAvx512) {
    return decode_halves(index_, fids,
                         {rows_.at(0), rows_.stride(), row_bytes_, dim_, {out.data(), dim_}, {}});
  }
#endif
  decode_any(index_, fids, {rows_.at(0), rows_.stride(), row_bytes_, dim_, {out.data(), dim_}, decode_});
}

void ServingTable::lookup(Keys fids, std::span<float* const> out) const {
  check_batch(fids.size());
  if (out.size() != fids.size()) {
    throw std::invalid_argument("out must have one address per FID: " + std::to_string(fids.size()) +
                                ", received " + std::to_string(out.size()));
  }
  decode_each(index_, fids, {rows_.at(0), rows_.stride(), row_bytes_, dim_, {out.data()}, decode_});
}

void ServingTable::contains(Keys fids, std::span<bool> out) const {
  check_batch(fids.size());
  if (out.size() != fids.size()) {
    throw std::invalid_argument("out must have one element per FID: " + std::to_string(fids.size()) +
                                ", received " + std::to_string(out.size()));
  }
  index_.read_batch(
      fids, [](std::uint32_t) {}, [&](std::size_t position, std::uint32_t) { out[position] = true; },
      [&](std::size_t position) { out[position] = false; });
}

void ServingTable::apply_delta(Keys fids, std::span<const float> vectors, Keys deleted) {
  check_batch(fids.size());
  check_batch(deleted.size());
  if (vectors.size() != fids.size() * dim_) {
    throw std::invalid_argument("vectors must have " + std::to_string(fids.size()) + " rows of " +
                                std::to_string(dim_) + " floats, received " + std::to_string(vectors.size()) +
                                " floats in all");
  }
  const auto bad =
      std::find_if(vectors.begin(), vectors.end(), [](float value) { return !std::isfinite(value); });
  if (bad != vectors.end()) {
    throw std::invalid_argument("vectors must be finite, received " + std::to_string(*bad) + " at element " +
                                std::to_string(bad - vectors.begin()));
  }
  const std::lock_guard lock(writer_mutex_);
  remove(deleted);
  upsert(fids, vectors);
}

void ServingTable::remove(Keys fids) {
  for (const std::uint64_t fid : fids) {
    const std::uint64_t hash = index_.hash(fid);
    const Index::Place place = index_.find(hash);
    if (!place) continue;
    const std::uint32_t row = place.row();
    digest_.fetch_sub(term(hash, rows_.at(row)), std::memory_order_relaxed);
    index_.erase(place);
    rows_.release(row);
    num_rows_.fetch_sub(1, std::memory_order_relaxed);
  }
}

void ServingTable::upsert(Keys fids, std::span<const float> vectors) {
  constexpr std::size_t kBurst = 64;
  Index::Place places[kBurst];
  std::byte encoded[sizeof(float) * (kMaxDim + 1)] = {};
  plan_.build(fids, index_.salt());
  const std::span<const BatchPlan::Group> groups = plan_.groups();
  for (std::size_t start = 0; start < groups.size(); start += kBurst) {
    const auto burst = groups.subspan(start, std::min(groups.size() - start, kBurst));
    for (const BatchPlan::Group& group : burst) index_.prefetch(group.hash);
    for (std::size_t i = 0; i < burst.size(); ++i) {
      places[i] = index_.find(burst[i].hash);
      if (places[i]) rows_.prefetch(places[i].row());
    }
    for (std::size_t i = 0; i < burst.size(); ++i) {
      if (!places[i]) continue;
      encode_(vectors.data() + std::size_t{burst[i].last} * dim_, dim_, encoded);
      std::byte* const row = rows_.at(places[i].row());
      const std::uint64_t change = term(burst[i].hash, encoded) - term(burst[i].hash, row);
      {
        const Index::Change hidden(index_, places[i].segment);
        store_shared(row, encoded, rows_.row_bytes());
      }
      digest_.fetch_add(change, std::memory_order_relaxed);
    }
    for (std::size_t i = 0; i < burst.size(); ++i) {
      if (places[i]) continue;
      encode_(vectors.data() + std::size_t{burst[i].last} * dim_, dim_, encoded);
      insert(burst[i].hash, encoded);
    }
  }
}

void ServingTable::insert(std::uint64_t hash, const std::byte* encoded) {
  const std::uint32_t row = rows_.allocate(HashParts::shard(hash));
  store_shared(rows_.at(row), encoded, rows_.row_bytes());
  try {
    index_.insert(hash, row);
  } catch (...) {
    rows_.release(row);
    throw;
  }
  digest_.fetch_add(term(hash, encoded), std::memory_order_relaxed);
  num_rows_.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t ServingTable::computed_digest() const {
  const std::lock_guard lock(writer_mutex_);
  std::uint64_t sum = 0;
  for (std::uint32_t segment = 0; segment < index_.num_segments(); ++segment) {
    index_.for_each_in_segment(segment, [&](std::uint64_t hash, const Index::Place& place) {
      sum += term(hash, rows_.at(place.row()));
    });
  }
  return sum;
}

ServingTable::Part ServingTable::export_rows(std::uint64_t cursor, std::size_t min_rows) const {
  const std::lock_guard lock(writer_mutex_);
  Part part;
  for (; cursor < index_.num_segments() && part.fids.size() < min_rows; ++cursor) {
    index_.for_each_in_segment(
        static_cast<std::uint32_t>(cursor), [&](std::uint64_t hash, const Index::Place& place) {
          part.fids.push_back(index_.key(hash));
          part.vectors.resize(part.vectors.size() + dim_);
          decode_(rows_.at(place.row()), dim_, &*(part.vectors.end() - static_cast<std::ptrdiff_t>(dim_)));
        });
  }
  part.next_cursor = cursor;
  return part;
}

}  // namespace freshet
