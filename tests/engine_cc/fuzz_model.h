#pragma once

// What a Table promises, in the plainest terms: a map from FID to row, a map from FID to candidate, three sets. The rules
// of optimizers, initial vectors and draws are the library's own, for they have tests of their own; what is modelled is
// which rows there are and what became of them.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "freshet/table.h"

namespace freshet::testing {

struct ModelRow {
  std::vector<float> floats;  // vector, then state
  std::uint16_t slot = 0;
  std::uint32_t seen_at_s = 0;
  std::uint32_t count = 0;
  bool touched = false;
  bool in_flight = false;

  bool operator==(const ModelRow&) const = default;
};

class TableModel {
 public:
  explicit TableModel(const TableOptions& options)
      : options_(options), optimizer_(options.optimizer, options.dim) {}

  std::unordered_map<std::uint64_t, ModelRow> rows;
  std::unordered_map<std::uint64_t, Candidate> candidates;
  std::set<std::uint64_t> deletes;
  std::vector<std::uint64_t> in_flight;

  std::size_t num_touched() const {
    const auto is_touched = [](const auto& entry) { return entry.second.touched; };
    return deletes.size() + static_cast<std::size_t>(std::count_if(rows.begin(), rows.end(), is_touched));
  }

  /// All positions of one FID of a batch; `learns` is what sets `sight` apart from `lookup_or_create`.
  struct Sighting {
    std::uint64_t fid;
    std::uint16_t slot;     // of its first position
    std::uint32_t first_s;  // its first position's time
    std::uint32_t latest_s;
    std::uint32_t num;
    std::uint64_t draw;
  };

  void sight(const Sighting& seen, bool learns) {
    auto row = rows.find(seen.fid);
    if (row == rows.end()) {
      if (!admits(seen)) return;
      row = create(seen.fid, seen.slot);
      row->second.touched = true;
    }
    row->second.seen_at_s = std::max(row->second.seen_at_s, seen.latest_s);
    row->second.count = std::min(row->second.count + seen.num, 127U);
    row->second.touched |= learns;
  }

  void assign(std::uint64_t fid, std::uint16_t slot, std::span<const float> vector) {
    auto row = rows.find(fid);
    if (row == rows.end()) row = create(fid, slot);
    std::copy(vector.begin(), vector.end(), row->second.floats.begin());
    row->second.slot = slot;
    row->second.touched = true;
  }

  /// The gradients of one FID, in order; how many of them went into its row.
  std::size_t learn(std::uint64_t fid, const std::vector<const float*>& gradients, float learning_rate) {
    const auto row = rows.find(fid);
    if (row == rows.end()) return 0;
    std::vector<float> sum(options_.dim, 0.0F);
    std::size_t num_finite = 0;
    for (const float* const gradient : gradients) {
      if (!std::all_of(gradient, gradient + options_.dim, [](float g) { return std::isfinite(g); })) continue;
      ++num_finite;
      for (std::size_t i = 0; i < options_.dim; ++i) sum[i] += gradient[i];
    }
    if (num_finite == 0 || !optimizer_.update(row->second.floats.data(), sum.data(), learning_rate)) return 0;
    row->second.touched = true;
    return num_finite;
  }

  bool erase(std::uint64_t fid) {
    if (rows.erase(fid) == 0) return false;
    deletes.insert(fid);
    return true;
  }

  bool has_expired(const ModelRow& row, std::uint32_t now_s) const {
    const std::uint32_t ttl_s = options_.rules.of(row.slot).ttl_s;
    return ttl_s != 0 && std::uint64_t{row.seen_at_s} + ttl_s < now_s;
  }

  void acknowledge() {
    for (auto& entry : rows) entry.second.in_flight = false;
    in_flight.clear();
  }

  void restore() {
    for (const std::uint64_t fid : in_flight) {
      const auto row = rows.find(fid);
      if (row == rows.end()) {
        deletes.insert(fid);
      } else {
        row->second.touched = true;
        row->second.in_flight = false;
      }
    }
    in_flight.clear();
  }

  void forget_touched() {
    acknowledge();
    for (auto& entry : rows) entry.second.touched = false;
    deletes.clear();
  }

  /// The count that a candidate still has.
  std::uint32_t count_at(const Candidate& candidate, std::uint32_t now_s) const {
    const std::uint32_t window_s = options_.rules.of(candidate.slot).window_s;
    if (window_s == 0 || now_s < candidate.since_s) return candidate.count;
    const std::uint32_t passed = (now_s - candidate.since_s) / window_s;
    return passed < 32 ? candidate.count >> passed : 0;
  }

 private:
  std::unordered_map<std::uint64_t, ModelRow>::iterator create(std::uint64_t fid, std::uint16_t slot) {
    ModelRow row;
    row.floats.resize(options_.dim + optimizer_.num_state_floats());
    initialise_vector(options_.initializer, options_.seed, fid, row.floats.data(), options_.dim);
    optimizer_.initialise(row.floats.data() + options_.dim);
    row.slot = slot;
    row.touched = deletes.erase(fid) != 0;
    candidates.erase(fid);
    return rows.insert_or_assign(fid, row).first;
  }

  bool admits(const Sighting& seen) {
    const SlotRule& rule = options_.rules.of(seen.slot);
    if (rule.admission == AdmissionKind::kProbability) {
      AdmissionLedger chances(options_.seed, 1, 0);  // draws alone: it keeps nothing of them
      return chances.sight(seen.fid, seen.slot, options_.rules, seen.num, seen.first_s, seen.draw);
    }
    if (rule.admission == AdmissionKind::kAlways) return true;
    Candidate& candidate =
        candidates.try_emplace(seen.fid, Candidate{0, seen.first_s, seen.slot}).first->second;
    const std::uint32_t left = count_at(candidate, seen.first_s);
    if (left == 0) {
      candidate.since_s = seen.first_s;
    } else if (rule.window_s != 0 && seen.first_s > candidate.since_s) {
      candidate.since_s += (seen.first_s - candidate.since_s) / rule.window_s * rule.window_s;
    }
    candidate.count = left + seen.num;
    return candidate.count >= rule.min_count;
  }

  const TableOptions options_;
  const Optimizer optimizer_;
};

}  // namespace freshet::testing
