// Records looked up and pooled into lines are what `lookup` and `pool` make of the same values, bit for bit, beside a writer too.

#include <atomic>
#include <cstring>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "freshet/pooling.h"
#include "freshet/record_pooling.h"

using namespace freshet;

namespace {

using Floats = std::vector<float>;
using Words = std::vector<std::uint64_t>;

constexpr std::size_t kNumSlots = 5;
constexpr std::size_t kNumDense = 3;
constexpr std::uint32_t kNarrow = 4;
constexpr std::uint32_t kWide = 16;
constexpr std::size_t kWidth = 2 * kNarrow + 3 * kWide + kNumDense + 2;
constexpr std::uint32_t kDenseColumn = 1;

/// Two slots of the narrow table and three of the wide one, in no order of columns.
std::vector<RecordPooling::Slot> slots() {
  return {{0, Pooling::kMean, 60 - 4},
          {0, Pooling::kSum, 4},
          {1, Pooling::kSqrtn, 8},
          {1, Pooling::kMean, 40},
          {1, Pooling::kSum, 24}};
}

struct Scene {
  std::vector<std::vector<Words>> values = {};  // of each row, of each slot
  Floats dense = {};
  Words words = {77};  // of nobody's
  std::vector<std::int64_t> starts = {};

  Records records() const { return {words, starts}; }
};

Scene drawn(std::size_t num, std::uint64_t num_fids, std::mt19937_64& random) {
  Scene scene;
  for (std::size_t row = 0; row < num; ++row) {
    scene.starts.push_back(static_cast<std::int64_t>(scene.words.size()));
    std::uint16_t lengths[8] = {};
    float dense[4] = {};
    Words all;
    std::vector<Words> of_row;
    for (std::size_t slot = 0; slot < kNumSlots; ++slot) {
      Words fids(random() % 3 == 0 ? random() % 5 : 1);
      for (std::uint64_t& fid : fids) fid = random() % num_fids;
      lengths[slot] = static_cast<std::uint16_t>(fids.size());
      all.insert(all.end(), fids.begin(), fids.end());
      of_row.push_back(fids);
    }
    for (std::size_t i = 0; i < kNumDense; ++i) {
      dense[i] = static_cast<float>(random() % 100);
      scene.dense.push_back(dense[i]);
    }
    std::uint64_t head[4];
    std::memcpy(head, lengths, 16);
    std::memcpy(head + 2, dense, 16);
    scene.words.insert(scene.words.end(), head, head + 4);
    scene.words.insert(scene.words.end(), all.begin(), all.end());
    scene.values.push_back(of_row);
  }
  return scene;
}

void fill(ServingTable& table, std::uint64_t num_fids, float factor) {
  Words fids;
  Floats vectors;
  for (std::uint64_t fid = 0; fid < num_fids; fid += 2) {  // every other one has no row
    fids.push_back(fid);
    for (std::uint32_t i = 0; i < table.dim(); ++i)
      vectors.push_back(factor * static_cast<float>(fid + i + 1));
  }
  table.apply_delta(fids, vectors, {});
}

Floats expected_bag(const ServingTable& table, Pooling pooling, const Words& fids) {
  Floats rows(fids.size() * table.dim());
  table.lookup(fids, rows);
  std::vector<std::int32_t> members;
  for (std::size_t i = 0; i < fids.size(); ++i) members.push_back(static_cast<std::int32_t>(i));
  const std::vector<std::int64_t> splits = {0, static_cast<std::int64_t>(fids.size())};
  Floats out(table.dim());
  pool(pooling, 0, rows.data(), fids.size(), table.dim(), members, splits, {}, out.data());
  return out;
}

void test_lines_are_what_lookup_and_pool_say() {
  for (const Precision precision : {Precision::kFloat32, Precision::kFloat16, Precision::kInt8}) {
    std::mt19937_64 random(11);
    ServingTable narrow(kNarrow, precision, 5);
    ServingTable wide(kWide, precision, 6);
    fill(narrow, 200, 0.25F);
    fill(wide, 200, 0.5F);
    const ServingTable* const tables[] = {&narrow, &wide};
    const Scene scene = drawn(700, 200, random);
    const RecordPooling pooling(slots(), kNumDense, kDenseColumn);
    pooling.check(scene.records(), tables, kWidth);
    for (const std::size_t first : {0, 1, 690}) {
      const std::size_t num = 700 - first;
      Floats out(num * kWidth, -1.0F);
      pooling.pool(scene.records(), tables, first, {out.data(), num, kWidth});
      for (std::size_t i = 0; i < num; ++i) {
        const float* const line = out.data() + i * kWidth;
        for (std::size_t slot = 0; slot < kNumSlots; ++slot) {
          const RecordPooling::Slot of = slots()[slot];
          const Floats bag = expected_bag(*tables[of.table], of.pooling, scene.values[first + i][slot]);
          CHECK(std::memcmp(line + of.column, bag.data(), bag.size() * sizeof(float)) == 0);
        }
        for (std::size_t d = 0; d < kNumDense; ++d) {
          CHECK(line[kDenseColumn + d] == scene.dense[(first + i) * kNumDense + d]);
        }
        CHECK(line[0] == -1.0F);  // of no input
      }
    }
  }
}

void test_what_does_not_fit_is_refused() {
  std::mt19937_64 random(3);
  ServingTable narrow(kNarrow, Precision::kFloat32, 5);
  ServingTable wide(kWide, Precision::kFloat32, 6);
  const ServingTable* const tables[] = {&narrow, &wide};
  const RecordPooling pooling(slots(), kNumDense, kDenseColumn);
  Scene scene = drawn(5, 10, random);
  CHECK_THROWS(pooling.check(scene.records(), std::span(tables, 1), kWidth), std::invalid_argument);
  CHECK_THROWS(pooling.check(scene.records(), tables, 59), std::invalid_argument);
  for (const std::int64_t start : {std::int64_t{-1}, static_cast<std::int64_t>(scene.words.size()),
                                   static_cast<std::int64_t>(scene.words.size()) - 3, INT64_MAX, INT64_MIN}) {
    Scene wrong = scene;
    wrong.starts[2] = start;
    CHECK_THROWS(pooling.check(wrong.records(), tables, kWidth), std::invalid_argument);
  }
  scene.words.pop_back();  // the last record's last value
  CHECK_THROWS(pooling.check(scene.records(), tables, kWidth), std::invalid_argument);
  auto unordered = slots();
  std::swap(unordered[0], unordered[4]);
  CHECK_THROWS(RecordPooling(unordered, 0, 0), std::invalid_argument);
  auto first_n = slots();
  first_n[1].pooling = Pooling::kFirstN;
  CHECK_THROWS(RecordPooling(first_n, 0, 0), std::invalid_argument);
}

void test_rows_are_whole_beside_a_writer() {
  ServingTable table(kWide, Precision::kFloat32, 6);
  Words fids;
  for (std::uint64_t fid = 0; fid < 300; ++fid) fids.push_back(fid);
  Floats vectors(fids.size() * kWide);
  const auto write = [&](float value) {
    std::fill(vectors.begin(), vectors.end(), value);
    table.apply_delta(fids, vectors, {});
  };
  write(1.0F);
  Words words;
  std::vector<std::int64_t> starts;
  for (const std::uint64_t fid : fids) {
    starts.push_back(static_cast<std::int64_t>(words.size()));
    words.push_back(1);  // one slot of one value
    words.push_back(fid);
  }
  const RecordPooling pooling({{0, Pooling::kMean, 0}}, 0, 0);
  const ServingTable* const tables[] = {&table};
  std::atomic<bool> stops = false;
  std::thread writer([&] {
    for (int turn = 2; turn < 400; ++turn) write(static_cast<float>(turn));
    stops = true;
  });
  while (!stops) {
    Floats out(fids.size() * kWide);
    pooling.pool({words, starts}, tables, 0, {out.data(), fids.size(), kWide});
    for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == out[i / kWide * kWide] && out[i] >= 1.0F);
  }
  writer.join();
}

}  // namespace

int main() {
  test_lines_are_what_lookup_and_pool_say();
  test_what_does_not_fit_is_refused();
  test_rows_are_whole_beside_a_writer();
  return 0;
}
