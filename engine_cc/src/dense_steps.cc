#include "freshet/dense_steps.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "freshet/dispatch.h"

namespace freshet {
namespace {

[[noreturn]] void refuse(const std::string& element, const std::string& rule, const std::string& received) {
  throw std::invalid_argument(element + " " + rule + ", received " + received);
}

std::size_t num_pairs(std::size_t num) noexcept { return num * (num - 1) / 2; }

float sigmoid(float value) noexcept { return 1.0F / (1.0F + std::exp(-value)); }

View at(const std::vector<View>& views, Place place) noexcept {
  const View& view = views[place.of];
  return {view.first + place.column, view.stride, view.num};
}

FRESHET_CLONES void add_field(const float* field, std::size_t dim, float* sums) noexcept {
  for (std::size_t i = 0; i < dim; ++i) {
    sums[i] += field[i];
    sums[dim + i] += field[i] * field[i];
  }
}

FRESHET_CLONES void combine(CombineStep::Kind kind, const float* from, std::size_t width,
                            float* to) noexcept {
  if (kind == CombineStep::Kind::kCopy) {
    std::copy_n(from, width, to);
  } else if (kind == CombineStep::Kind::kAdd) {
    for (std::size_t i = 0; i < width; ++i) to[i] += from[i];
  } else {
    for (std::size_t i = 0; i < width; ++i) to[i] *= from[i];
  }
}

FRESHET_CLONES void add_scaled(const float* from, float factor, std::size_t width, float* to) noexcept {
  for (std::size_t i = 0; i < width; ++i) to[i] += factor * from[i];
}

/// In 16 sums side by side: a sum in order cannot be vectorised.
FRESHET_CLONES float dot(const float* left, const float* right, std::size_t dim) noexcept {
  float sums[16] = {};
  std::size_t i = 0;
  for (; i + 16 <= dim; i += 16) {
    for (std::size_t lane = 0; lane < 16; ++lane) sums[lane] += left[i + lane] * right[i + lane];
  }
  for (std::size_t lane = 0; i < dim; ++i, ++lane) sums[lane] += left[i] * right[i];
  float sum = 0.0F;
  for (const float each : sums) sum += each;
  return sum;
}

void softmax(float* values, std::size_t width) noexcept {
  const float greatest = *std::max_element(values, values + width);
  float sum = 0.0F;
  for (std::size_t i = 0; i < width; ++i) sum += values[i] = std::exp(values[i] - greatest);
  for (std::size_t i = 0; i < width; ++i) values[i] /= sum;
}

struct Places {
  std::vector<std::pair<Place, std::size_t>> found;

  void operator()(const LinearStep& step) {
    found = {{step.to, step.weights.width()}, {step.from, step.weights.depth()}};
    if (step.first) found.emplace_back(*step.first, step.weights.width());
  }
  void operator()(const StandardiseStep& step) { found = {{step.to, step.means.size()}}; }
  void operator()(const ActivationStep& step) { found = {{step.to, step.width}}; }
  void operator()(const SumsStep& step) {
    found = {{step.to, 2 * std::size_t{step.dim}}};
    for (const Place& field : step.fields) found.emplace_back(field, step.dim);
  }
  void operator()(const PairsStep& step) {
    found = {{step.to, step.is_summed ? 1 : step.dim}};
    for (const Place& sums : step.sums) found.emplace_back(sums, 2 * std::size_t{step.dim});
  }
  void operator()(const CombineStep& step) { found = {{step.to, step.width}, {step.from, step.width}}; }
  void operator()(const MixStep& step) {
    found = {{step.to, step.width}, {step.weights, step.parts.size()}};
    for (const Place& part : step.parts) found.emplace_back(part, step.width);
  }
  void operator()(const ScaleStep& step) {
    std::size_t width = 0;
    for (const std::uint32_t each : step.widths) width += each;
    found = {{step.to, width}, {step.weights, step.widths.size()}};
  }
  void operator()(const DotsStep& step) {
    found = {{step.to, num_pairs(step.vectors.size())}};
    for (const Place& vector : step.vectors) found.emplace_back(vector, step.dim);
  }
};

struct Check {
  void operator()(const LinearStep& step) const {
    if (!step.bias.empty() && step.bias.size() != step.weights.width()) {
      refuse("bias", "must have " + std::to_string(step.weights.width()) + " elements",
             std::to_string(step.bias.size()));
    }
    if (!step.bias.empty() && step.first) refuse("bias", "must not be given beside first", "both");
  }
  void operator()(const StandardiseStep& step) const {
    if (step.means.size() == step.factors.size()) return;
    refuse("factors", "must have " + std::to_string(step.means.size()) + " elements",
           std::to_string(step.factors.size()));
  }
  void operator()(const ActivationStep& step) const {
    const std::size_t num_each = step.kind == Activation::kPrelu ? 1 : step.kind == Activation::kDice ? 3 : 0;
    if (step.width == 0) refuse("width", "must be at least 1", "0");
    if (step.parameters.size() == num_each * step.width) return;
    refuse("parameters", "must have " + std::to_string(num_each * step.width) + " elements",
           std::to_string(step.parameters.size()));
  }
  void operator()(const DotsStep& step) const {
    if (step.vectors.size() < 2) refuse("vectors", "must be at least 2", std::to_string(step.vectors.size()));
  }
  void operator()(const auto&) const {}
};

struct Run {
  const std::vector<View>& views;

  void operator()(const LinearStep& step) const noexcept {
    const View from = at(views, step.from);
    const View to = at(views, step.to);
    PackedMatrix::Lines lines{from.first, from.stride, to.num,    nullptr,
                              0,          to.first,    to.stride, step.rectifies};
    if (step.first) {
      const View first = at(views, *step.first);
      lines.first = first.first;
      lines.first_stride = first.stride;
    } else if (!step.bias.empty()) {
      lines.first = step.bias.data();
    }
    step.weights.multiply(lines);
  }

  void operator()(const StandardiseStep& step) const noexcept {
    const View to = at(views, step.to);
    for (std::size_t line = 0; line < to.num; ++line) {
      float* const values = to.line(line);
      for (std::size_t i = 0; i < step.means.size(); ++i) {
        const float scaled = (values[i] - step.means[i]) * step.factors[i];
        values[i] = std::isnan(values[i]) ? 0.0F : std::clamp(scaled, -step.limit, step.limit);
      }
    }
  }

  void operator()(const ActivationStep& step) const noexcept {
    const View to = at(views, step.to);
    for (std::size_t line = 0; line < to.num; ++line) activate(step, to.line(line));
  }

  static void activate(const ActivationStep& step, float* values) noexcept {
    const std::size_t width = step.width;
    const float* const parameters = step.parameters.data();
    switch (step.kind) {
      case Activation::kSigmoid:
        for (std::size_t i = 0; i < width; ++i) values[i] = sigmoid(values[i]);
        return;
      case Activation::kGate:
        for (std::size_t i = 0; i < width; ++i) values[i] = 2.0F * sigmoid(values[i]);
        return;
      case Activation::kTanh:
        for (std::size_t i = 0; i < width; ++i) values[i] = std::tanh(values[i]);
        return;
      case Activation::kSoftmax:
        return softmax(values, width);
      case Activation::kPrelu:
        for (std::size_t i = 0; i < width; ++i) {
          values[i] = std::max(values[i], 0.0F) + parameters[i] * std::min(values[i], 0.0F);
        }
        return;
      case Activation::kDice:
        for (std::size_t i = 0; i < width; ++i) {
          const float share = sigmoid((values[i] - parameters[width + i]) * parameters[2 * width + i]);
          values[i] *= share + (1.0F - share) * parameters[i];
        }
        return;
    }
  }

  void operator()(const SumsStep& step) const noexcept {
    const View to = at(views, step.to);
    for (std::size_t line = 0; line < to.num; ++line) {
      float* const sums = to.line(line);
      std::fill_n(sums, 2 * std::size_t{step.dim}, 0.0F);
      for (const Place& field : step.fields) add_field(at(views, field).line(line), step.dim, sums);
    }
  }

  void operator()(const PairsStep& step) const noexcept {
    const View to = at(views, step.to);
    for (std::size_t line = 0; line < to.num; ++line) {
      float* const out = to.line(line);
      float total = 0.0F;
      for (std::size_t i = 0; i < step.dim; ++i) {
        float sum = 0.0F;
        float squares = 0.0F;
        for (const Place& each : step.sums) {
          const float* const sums = at(views, each).line(line);
          sum += sums[i];
          squares += sums[step.dim + i];
        }
        const float pairs = 0.5F * (sum * sum - squares);
        if (step.is_summed) {
          total += pairs;
        } else {
          out[i] = pairs;
        }
      }
      if (step.is_summed) out[0] = total;
    }
  }

  void operator()(const CombineStep& step) const noexcept {
    const View from = at(views, step.from);
    const View to = at(views, step.to);
    for (std::size_t i = 0; i < to.num; ++i) combine(step.kind, from.line(i), step.width, to.line(i));
  }

  void operator()(const MixStep& step) const noexcept {
    const View weights = at(views, step.weights);
    const View to = at(views, step.to);
    for (std::size_t line = 0; line < to.num; ++line) {
      float* const out = to.line(line);
      std::fill_n(out, step.width, 0.0F);
      for (std::size_t i = 0; i < step.parts.size(); ++i) {
        add_scaled(at(views, step.parts[i]).line(line), weights.line(line)[i], step.width, out);
      }
    }
  }

  void operator()(const ScaleStep& step) const noexcept {
    const View weights = at(views, step.weights);
    const View to = at(views, step.to);
    for (std::size_t line = 0; line < to.num; ++line) {
      float* field = to.line(line);
      for (std::size_t i = 0; i < step.widths.size(); ++i) {
        const float factor = weights.line(line)[i];
        for (std::size_t column = 0; column < step.widths[i]; ++column) field[column] *= factor;
        field += step.widths[i];
      }
    }
  }

  void operator()(const DotsStep& step) const noexcept {
    const View to = at(views, step.to);
    for (std::size_t line = 0; line < to.num; ++line) {
      float* out = to.line(line);
      for (std::size_t s = 0; s < step.vectors.size(); ++s) {
        const float* const left = at(views, step.vectors[s]).line(line);
        for (std::size_t u = s + 1; u < step.vectors.size(); ++u) {
          *out++ = dot(left, at(views, step.vectors[u]).line(line), step.dim);
        }
      }
    }
  }
};

}  // namespace

std::vector<std::pair<Place, std::size_t>> places_of(const DenseStep& step) {
  Places places;
  std::visit(places, step);
  return std::move(places.found);
}

void check_step(const DenseStep& step) { std::visit(Check{}, step); }

void run_step(const DenseStep& step, const std::vector<View>& views) noexcept {
  std::visit(Run{views}, step);
}

}  // namespace freshet
