/// One contestant of `make bench-engine`: what it was asked to measure, as one JSON object on standard output.

#include <charconv>
#include <cstdio>
#include <exception>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "measure.h"

namespace bench {
namespace {

constexpr std::string_view kUsage =
    "bench_engine --contestant=NAME --measure=speed|memory|list --rows=N [--state=1] [--rounds=N] "
    "[--every-setting=1]";

std::map<std::string, std::string, std::less<>> parsed(int argc, char** argv) {
  std::map<std::string, std::string, std::less<>> options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::size_t equals = argument.find('=');
    if (!argument.starts_with("--") || equals == std::string_view::npos) {
      throw std::invalid_argument("not understood: " + std::string(argument) + "\n" + std::string(kUsage));
    }
    options.emplace(argument.substr(2, equals - 2), argument.substr(equals + 1));
  }
  return options;
}

class Options {
 public:
  Options(int argc, char** argv) : values_(parsed(argc, argv)) {}

  std::string text(std::string_view name, std::string_view otherwise) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::string(otherwise) : found->second;
  }

  std::uint32_t number(std::string_view name, std::uint32_t otherwise) const {
    const std::string given = text(name, std::to_string(otherwise));
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
    if (error != std::errc() || end != given.data() + given.size()) {
      throw std::invalid_argument("--" + std::string(name) + ": not a number: " + given);
    }
    return value;
  }

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

void measure(const std::string& what, const std::string& contestant, const Plan& plan, Figures& figures) {
  if (what == "delta") return measure_delta(plan, figures);
  if (what == "checkpoint") return measure_checkpoint(plan, figures);
  const Entry& entry = contestant_named(contestant);
  if (what == "memory") return measure_memory(entry, plan, figures);
  if (what == "beside") return measure_beside(*entry.make(plan.with_state), plan, figures);
  if (what != "speed" && what != "growth")
    throw std::invalid_argument("--measure: " + what + "\n" + std::string(kUsage));
  const auto table = measure_growth(entry, plan, figures);
  if (what == "growth") return;
  measure_lookups(*table, plan, figures);
  if (plan.with_state) measure_updates(*table, plan, figures);
}

int run(const Options& options) {
  const std::string what = options.text("measure", "speed");
  if (what == "list") {
    for (const Entry& entry : contestants()) std::printf("%s\n", std::string(entry.name).c_str());
    return 0;
  }
  const Plan plan{.num_rows = options.number("rows", 1'000'000),
                  .with_state = options.number("state", 0) != 0,
                  .num_rounds = options.number("rounds", 5),
                  .every_setting = options.number("every-setting", 0) != 0};
  Figures figures;
  measure(what, options.text("contestant", ""), plan, figures);
  figures.print();
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  try {
    return bench::run(bench::Options(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_engine: %s\n", error.what());
    return 1;
  }
}
