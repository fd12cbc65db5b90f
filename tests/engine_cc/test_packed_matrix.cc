// Lines times a packed matrix are what a sum in double precision says, to rounding, on every instruction set and for every
// remainder of lines and columns.

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "freshet/packed_matrix.h"

using namespace freshet;

namespace {

using Floats = std::vector<float>;

constexpr InstructionSet kSets[] = {InstructionSet::kBaseline, InstructionSet::kAvx2,
                                    InstructionSet::kAvx512};

enum class First { kNone, kBias, kLines, kOut };

struct Scene {
  std::size_t num;
  std::size_t depth;
  std::size_t width;
  std::size_t stride;  // of what is multiplied and of what comes out, both with columns of nobody's behind
  Floats left = {};
  Floats weights = {};
  Floats first = {};

  double expected(std::size_t line, std::size_t column, First kind, bool rectifies) const {
    double sum = 0.0;
    if (kind == First::kBias) sum = first[column];
    if (kind == First::kLines || kind == First::kOut) sum = first[line * stride + column];
    for (std::size_t k = 0; k < depth; ++k) {
      sum += static_cast<double>(left[line * stride + k]) * static_cast<double>(weights[k * width + column]);
    }
    return rectifies ? std::fmax(sum, 0.0) : sum;
  }
};

Scene drawn(std::size_t num, std::size_t depth, std::size_t width) {
  std::mt19937_64 random(num * 10007 + depth * 101 + width);
  std::normal_distribution<float> normal;
  Scene scene{.num = num, .depth = depth, .width = width, .stride = std::max(depth, width) + 3};
  for (std::size_t i = 0; i < num * scene.stride; ++i) scene.left.push_back(normal(random));
  for (std::size_t i = 0; i < depth * width; ++i) scene.weights.push_back(normal(random));
  for (std::size_t i = 0; i < num * scene.stride + width; ++i) scene.first.push_back(normal(random));
  return scene;
}

void check_product(const Scene& scene, InstructionSet set, First kind, bool rectifies) {
  const PackedMatrix matrix(scene.weights, scene.depth, scene.width);
  CHECK(matrix.depth() == scene.depth && matrix.width() == scene.width);
  constexpr float kUntouched = 12345.0F;
  Floats out(scene.num * scene.stride, kUntouched);
  const float* first = scene.first.data();
  if (kind == First::kOut) {
    for (std::size_t line = 0; line < scene.num; ++line) {
      std::copy_n(scene.first.data() + line * scene.stride, scene.width, out.data() + line * scene.stride);
    }
    first = out.data();
  }
  matrix.multiply({scene.left.data(), scene.stride, scene.num, kind == First::kNone ? nullptr : first,
                   kind == First::kBias ? 0 : scene.stride, out.data(), scene.stride, rectifies},
                  set);
  const double tolerance = 1e-6 * static_cast<double>(scene.depth + 1) * 4.0;
  for (std::size_t line = 0; line < scene.num; ++line) {
    for (std::size_t column = 0; column < scene.stride; ++column) {
      const float found = out[line * scene.stride + column];
      if (column >= scene.width) {
        CHECK(found == kUntouched);
      } else {
        CHECK(std::abs(scene.expected(line, column, kind, rectifies) - static_cast<double>(found)) <
              tolerance);
      }
    }
  }
}

void test_every_remainder_of_lines_and_columns() {
  for (const InstructionSet set : kSets) {
    if (!runs_here(set)) continue;
    for (const std::size_t num : {1, 2, 4, 5, 11, 12, 13, 37, 61}) {
      for (const std::size_t width : {1, 3, 4, 8, 15, 16, 17, 31, 32, 33, 64, 70}) {
        for (const std::size_t depth : {0, 1, 7, 40}) {
          const Scene scene = drawn(num, depth, width);
          for (const First kind : {First::kNone, First::kBias, First::kLines, First::kOut}) {
            check_product(scene, set, kind, false);
            check_product(scene, set, kind, true);
          }
        }
      }
    }
  }
}

void test_no_number_stays_none() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Floats weights(2 * 5, 1.0F);
  const Floats left = {1.0F, nan};
  const PackedMatrix matrix(weights, 2, 5);
  for (const InstructionSet set : kSets) {
    if (!runs_here(set)) continue;
    Floats out(5);
    matrix.multiply({left.data(), 2, 1, nullptr, 0, out.data(), 5, true}, set);
    for (const float each : out) CHECK(std::isnan(each));
  }
}

void test_wrong_sizes_are_refused() {
  const Floats weights(7);
  CHECK_THROWS(PackedMatrix(weights, 2, 4), std::invalid_argument);
}

}  // namespace

int main() {
  test_every_remainder_of_lines_and_columns();
  test_no_number_stays_none();
  test_wrong_sizes_are_refused();
  return 0;
}
