#include "freshet/dense_program.h"

#include <algorithm>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace freshet {
namespace {

constexpr std::size_t kMaxWidth = std::size_t{1} << 20;
constexpr std::size_t kFloatsALine = 16;  // of the cache

[[noreturn]] void refuse(const std::string& element, const std::string& rule, const std::string& received) {
  throw std::invalid_argument(element + " " + rule + ", received " + received);
}

/// Memory of the thread for registers, begun at a line of the cache.
float* scratch(std::size_t size) {
  struct Free {
    void operator()(float* memory) const noexcept { ::operator delete[](memory, std::align_val_t{64}); }
  };
  struct Memory {
    std::unique_ptr<float[], Free> floats;
    std::size_t size = 0;
  };
  thread_local Memory memory;
  if (memory.size < size) {
    memory.size = 0;
    memory.floats.reset(static_cast<float*>(::operator new[](size * sizeof(float), std::align_val_t{64})));
    memory.size = size;
  }
  return memory.floats.get();
}

}  // namespace

DenseProgram::DenseProgram(std::size_t asker_width, std::size_t candidate_width, std::size_t pair_width) {
  for (const std::size_t width : {asker_width, candidate_width, pair_width}) {
    if (width > kMaxWidth) refuse("width", "must be at most 1048576", std::to_string(width));
    registers_.push_back({width, width, registers_.size() == kAsker});
  }
}

std::uint32_t DenseProgram::add_register(std::size_t width, bool is_of_asker) {
  if (width < 1 || width > kMaxWidth) refuse("width", "must be 1 to 1048576", std::to_string(width));
  const std::size_t stride = (width + kFloatsALine - 1) / kFloatsALine * kFloatsALine;
  registers_.push_back({width, stride, is_of_asker});
  return static_cast<std::uint32_t>(registers_.size() - 1);
}

void DenseProgram::add_step(DenseStep step) {
  check_step(step);
  const auto places = places_of(step);
  for (const auto& [place, width] : places) {
    if (place.of >= registers_.size()) {
      refuse("register", "must be below " + std::to_string(registers_.size()), std::to_string(place.of));
    }
    const Register& of = registers_[place.of];
    if (place.column + width > of.width) {
      refuse("column", "must leave room for " + std::to_string(width) + " of " + std::to_string(of.width),
             std::to_string(place.column));
    }
    if (registers_[places.front().first.of].is_of_asker && !of.is_of_asker) {
      refuse("step", "must not write a line of the asker from candidates",
             "register " + std::to_string(place.of));
    }
  }
  steps_.push_back(std::move(step));
  runs_once_.push_back(registers_[places.front().first.of].is_of_asker);
}

std::size_t DenseProgram::memory_bytes() const noexcept {
  std::size_t bytes = sizeof *this;
  for (const DenseStep& step : steps_) {
    if (const auto* const linear = std::get_if<LinearStep>(&step)) bytes += linear->weights.memory_bytes();
  }
  return bytes;
}

void DenseProgram::run(std::span<const InputSource* const, 3> sources, Place result, Lines<float> out) const {
  if (result.of >= registers_.size() || result.column + out.width > registers_[result.of].width) {
    refuse("result", "must be within a register", std::to_string(result.of));
  }
  std::size_t size = 0;
  for (const Register& each : registers_) {
    size +=
        (each.stride * (each.is_of_asker ? 1 : kTogether) + kFloatsALine - 1) / kFloatsALine * kFloatsALine;
  }
  float* memory = scratch(size);
  std::vector<View> views;
  views.reserve(registers_.size());
  for (const Register& each : registers_) {
    views.push_back({memory, each.is_of_asker ? 0 : each.stride, 1});
    memory +=
        (each.stride * (each.is_of_asker ? 1 : kTogether) + kFloatsALine - 1) / kFloatsALine * kFloatsALine;
  }
  for (std::size_t first = 0; first < out.num; first += kTogether) {
    const std::size_t num = std::min(kTogether, out.num - first);
    for (std::uint32_t of = 0; of < views.size(); ++of) views[of].num = registers_[of].is_of_asker ? 1 : num;
    for (std::uint32_t of = kAsker; of <= kPairs; ++of) {
      if (registers_[of].width == 0 || (of == kAsker && first > 0)) continue;
      if (sources[of] == nullptr) refuse("sources", "must have one for every input", "none");
      sources[of]->fill(of == kAsker ? 0 : first, {views[of].first, views[of].num, registers_[of].width});
    }
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (first == 0 || !runs_once_[i]) run_step(steps_[i], views);
    }
    for (std::size_t i = 0; i < num; ++i) {
      std::copy_n(views[result.of].line(i) + result.column, out.width, out.first + (first + i) * out.width);
    }
  }
}

}  // namespace freshet
