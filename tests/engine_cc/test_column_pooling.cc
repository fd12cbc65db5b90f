// Bags pooled into the columns of a matrix are what `pool` makes of them, bit for bit, and gradients come back the same way.

#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "freshet/column_pooling.h"

using namespace freshet;

namespace {

using Floats = std::vector<float>;

struct Scene {
  std::size_t dim;
  std::size_t num_rows;  // of the table
  std::size_t num_lines;
  std::size_t width;
  Floats rows = {};
  std::vector<std::int32_t> members = {};
  std::vector<std::int64_t> splits = {0};
  std::vector<std::int32_t> columns = {};
  std::vector<std::int32_t> row_of = {};

  ColumnBags bags(Pooling pooling) const { return {pooling, dim, members, splits, columns, row_of}; }
};

/// Bags of none to three values, some of them without a row; columns apart and out of order.
Scene drawn(std::size_t dim, bool one_each, bool repeats, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  constexpr std::size_t kSlots = 3;
  Scene scene{.dim = dim, .num_rows = 20, .num_lines = 17, .width = kSlots * dim + 5};
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < scene.num_rows * dim; ++i) scene.rows.push_back(normal(random));
  const std::size_t num_bag_rows = repeats ? 6 : scene.num_lines;
  for (std::size_t bag = 0; bag < num_bag_rows * kSlots; ++bag) {
    const std::size_t num = one_each ? 1 : random() % 4;
    for (std::size_t i = 0; i < num; ++i) {
      scene.members.push_back(static_cast<std::int32_t>(random() % (scene.num_rows + 1)) - 1);
    }
    scene.splits.push_back(static_cast<std::int64_t>(scene.members.size()));
  }
  scene.columns = {static_cast<std::int32_t>(2 * dim + 3), 0, static_cast<std::int32_t>(dim + 1)};
  for (std::size_t i = 0; repeats && i < scene.num_lines; ++i) {
    scene.row_of.push_back(static_cast<std::int32_t>(random() % num_bag_rows));
  }
  return scene;
}

std::size_t row_of(const Scene& scene, std::size_t line) {
  return scene.row_of.empty() ? line : static_cast<std::size_t>(scene.row_of[line]);
}

void check_values(const Scene& scene, Pooling pooling) {
  const std::size_t num_bags = scene.splits.size() - 1;
  Floats expected(num_bags * scene.dim);
  pool(pooling, 0, scene.rows.data(), scene.num_rows, static_cast<std::uint32_t>(scene.dim), scene.members,
       scene.splits, {}, expected.data());
  Floats out(scene.num_lines * scene.width, 7.0F);
  pool_columns(scene.bags(pooling), scene.rows.data(), scene.num_rows,
               {out.data(), scene.num_lines, scene.width});
  for (std::size_t line = 0; line < scene.num_lines; ++line) {
    Floats wanted(scene.width, 7.0F);  // what belongs to no slot stays
    for (std::size_t slot = 0; slot < 3; ++slot) {
      for (std::size_t i = 0; i < scene.dim; ++i) {
        wanted[static_cast<std::size_t>(scene.columns[slot]) + i] =
            expected[(row_of(scene, line) * 3 + slot) * scene.dim + i];
      }
    }
    for (std::size_t i = 0; i < scene.width; ++i) CHECK(out[line * scene.width + i] == wanted[i]);
  }
}

void check_gradients(const Scene& scene, Pooling pooling) {
  std::mt19937_64 random(3);
  Floats gradient(scene.num_lines * scene.width);
  for (float& value : gradient)
    value = static_cast<float>(random() % 64) / 8.0F;  // sums are exact in any order
  const std::size_t num_bags = scene.splits.size() - 1;
  Floats of_bags(num_bags * scene.dim, 0.0F);
  for (std::size_t line = 0; line < scene.num_lines; ++line) {
    for (std::size_t slot = 0; slot < 3; ++slot) {
      for (std::size_t i = 0; i < scene.dim; ++i) {
        of_bags[(row_of(scene, line) * 3 + slot) * scene.dim + i] +=
            gradient[line * scene.width + static_cast<std::size_t>(scene.columns[slot]) + i];
      }
    }
  }
  Floats expected(scene.num_rows * scene.dim);
  pool_gradient(pooling, 0, of_bags.data(), static_cast<std::uint32_t>(scene.dim), scene.members,
                scene.splits, {}, scene.num_rows, expected.data());
  Floats found(scene.num_rows * scene.dim, 1.0F);  // added to
  pool_columns_gradient(scene.bags(pooling), {gradient.data(), scene.num_lines, scene.width}, scene.num_rows,
                        found.data());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const float difference = found[i] - 1.0F - expected[i];
    CHECK(difference < 1e-4F && difference > -1e-4F);
  }
}

void test_every_shape_is_pooled_as_bags_are() {
  for (const std::size_t dim : {1, 3, 8, 16, 40}) {
    for (const bool one_each : {false, true}) {
      for (const bool repeats : {false, true}) {
        const Scene scene = drawn(dim, one_each, repeats, dim * 7);
        for (const Pooling pooling : {Pooling::kSum, Pooling::kMean, Pooling::kSqrtn}) {
          check_values(scene, pooling);
          check_gradients(scene, pooling);
        }
      }
    }
  }
}

template <typename Spoil>
std::string refusal(Spoil spoil, Pooling pooling = Pooling::kMean) {
  Scene scene = drawn(4, false, true, 1);
  spoil(scene);
  Floats out(scene.num_lines * scene.width, 7.0F);
  try {
    pool_columns(scene.bags(pooling), scene.rows.data(), scene.num_rows,
                 {out.data(), scene.num_lines, scene.width});
  } catch (const std::invalid_argument& error) {
    CHECK(out == Floats(out.size(), 7.0F));
    return error.what();
  }
  return "";
}

void test_what_does_not_fit_is_refused_by_name() {
  CHECK(refusal([](Scene& s) { s.columns[1] = 14; }) ==
        "columns[1] must leave room for 4 of 17 columns, received 14");
  CHECK(refusal([](Scene& s) { s.columns[0] = -1; }) ==
        "columns[0] must leave room for 4 of 17 columns, received -1");
  CHECK(refusal([](Scene& s) { s.columns.clear(); }) ==
        "columns must have at least one element, received none");
  CHECK(refusal([](Scene& s) { s.row_of[2] = 6; }) == "row_of[2] must be a row below 6, received 6");
  CHECK(refusal([](Scene& s) { s.row_of.pop_back(); }) ==
        "row_of must have one element for each of 17 lines, received 16");
  CHECK(refusal([](Scene& s) {
          s.columns.pop_back();
          s.columns.pop_back();
          s.columns.resize(4, 0);
        }) == "splits must have a bag for each of 4 slots of every row, received 18 bags");
  CHECK(refusal([](Scene& s) { s.members[0] = 20; }) ==
        "members[0] must be -1 or a row number below 20, received 20");
  CHECK(refusal([](Scene&) {}, Pooling::kFirstN) == "pooling must be sum, mean or sqrtn, received first_n");
}

}  // namespace

int main() {
  test_every_shape_is_pooled_as_bags_are();
  test_what_does_not_fit_is_refused_by_name();
}
