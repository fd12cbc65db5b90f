#include <algorithm>
#include <span>
#include <stdexcept>
#include <vector>

#include "gather.h"
#include "keys.h"
#include "measure.h"
#include "slices.h"

namespace bench {
namespace {

struct Setting {
  Distribution distribution;
  std::size_t batch_size;
  std::size_t num_threads;

  std::string name() const {
    return name_of(distribution) + (batch_size == kLargeBatch ? "_64k_" : "_512_") +
           std::to_string(num_threads) + "t";
  }
};

/// What one thread asks for in a slice, and where it has the answers put.
struct Share {
  std::vector<std::uint32_t> places;
  std::vector<std::uint64_t> keys;
  std::vector<float> out;
};

template <typename Ask>
double rate_of(std::vector<Share>& shares, std::size_t batch_size, Ask ask) {
  const double took_s = seconds_together(shares.size(), [&](std::size_t thread) {
    Share& share = shares[thread];
    for (std::size_t start = 0; start < kSliceKeys; start += batch_size) ask(share, start, batch_size);
  });
  return static_cast<double>(shares.size() * kSliceKeys) / took_s;
}

void check(const Contestant& table, Keys keys, Floats out) {
  table.lookup(keys, out);
  BENCH_CHECK(checksum(out) == expected_checksum(keys), "the checksum of what was looked up");
}

PairedRates measured(const Contestant& table, const Gather& gather, Places& places, const Setting& setting,
                     std::size_t num_rounds) {
  std::vector<Share> shares(setting.num_threads);
  for (Share& share : shares) share.out.resize(setting.batch_size * kDim);
  const auto from_table = [&table](Share& share, std::size_t start, std::size_t num) {
    table.lookup({&share.keys[start], num}, share.out);
  };
  const auto from_gather = [&gather](Share& share, std::size_t start, std::size_t num) {
    gather.lookup({&share.places[start], num}, share.out);
  };
  PairedRates rates;
  for (std::size_t round = 0; round <= num_rounds; ++round) {
    for (Share& share : shares) {
      share.places = places.draw(kSliceKeys);
      share.keys = keys_at(share.places);
    }
    const double reference = rate_of(shares, setting.batch_size, from_gather);
    const double rate = rate_of(shares, setting.batch_size, from_table);
    if (round != 0) rates.add(rate, reference);  // the first round warms up
    check(table, {shares[0].keys.data(), setting.batch_size}, shares[0].out);
  }
  return rates;
}

double rate_of_absent(const Contestant& table, std::uint32_t num_rows, std::size_t num_rounds) {
  std::vector<Share> shares(1);
  shares[0].out.resize(kLargeBatch * kDim);
  std::vector<double> rates;
  std::uint64_t next = num_rows;
  for (std::size_t round = 0; round <= num_rounds; ++round) {
    shares[0].keys.resize(kSliceKeys);
    for (std::uint64_t& key : shares[0].keys) key = key_at(next++);
    rates.push_back(rate_of(shares, kLargeBatch, [&](Share& share, std::size_t start, std::size_t num) {
      table.lookup({&share.keys[start], num}, share.out);
    }));
    BENCH_CHECK(
        std::all_of(shares[0].out.begin(), shares[0].out.end(), [](float value) { return value == 0; }),
        "an absent key has a row");
  }
  rates.erase(rates.begin());
  return median(rates);
}

}  // namespace

void measure_lookups(const Contestant& table, const Plan& plan, Figures& figures) {
  const Gather gather(plan.num_rows);
  figures.add("gather_prefetch_distance", gather.distance());
  for (const Distribution distribution : {Distribution::kUniform, Distribution::kZipf}) {
    Places places(plan.num_rows, distribution, 17);
    for (const std::size_t batch_size : {kLargeBatch, kSmallBatch}) {
      for (const std::size_t num_threads : {1, 2}) {
        const Setting setting{distribution, batch_size, num_threads};
        const bool is_plain = distribution == Distribution::kUniform && batch_size == kLargeBatch;
        if (!is_plain && !plan.every_setting) continue;
        const PairedRates rates = measured(table, gather, places, setting, plan.num_rounds);
        figures.add("lookup_" + setting.name() + "_keys_per_s", rates.rate());
        figures.add("lookup_" + setting.name() + "_share_of_gather", rates.share());
        figures.add("gather_" + setting.name() + "_keys_per_s", rates.reference());
      }
    }
  }
  figures.add("lookup_absent_64k_1t_keys_per_s", rate_of_absent(table, plan.num_rows, plan.num_rounds));
}

}  // namespace bench
