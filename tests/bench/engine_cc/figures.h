#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// What a measurement found: flat names and numbers, in the order they were found.
class Figures {
 public:
  void add(std::string name, double value) { values_.emplace_back(std::move(name), value); }

  /// One JSON object on one line of standard output.
  void print() const {
    std::printf("{");
    for (std::size_t i = 0; i < values_.size(); ++i) {
      std::printf("%s\"%s\": %.6g", i == 0 ? "" : ", ", values_[i].first.c_str(), values_[i].second);
    }
    std::printf("}\n");
  }

 private:
  std::vector<std::pair<std::string, double>> values_;
};

/// A wrong answer ends the process: a benchmark of a table that answers wrongly measures nothing.
#define BENCH_CHECK(condition, what)                                           \
  do {                                                                         \
    if (!(condition)) throw std::runtime_error(std::string("wrong: ") + what); \
  } while (false)

}  // namespace bench
