#include "freshet/record_pooling.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

namespace freshet {
namespace {

constexpr std::size_t kMaxInputs = 1 << 16;

[[noreturn]] void refuse(const std::string& element, const std::string& rule, const std::string& received) {
  throw std::invalid_argument(element + " " + rule + ", received " + received);
}

std::uint16_t length_of(const std::uint64_t* record, std::size_t slot) noexcept {
  std::uint16_t length;
  std::memcpy(&length, reinterpret_cast<const std::byte*>(record) + slot * sizeof length, sizeof length);
  return length;
}

/// A bag of several values: `num` rows of the scratch from `start` on go, pooled, to `to`.
struct Bag {
  Pooling pooling;
  std::size_t start;
  std::size_t num;
  float* to;
};

/// What one table is asked for, and what becomes of it. Kept by the thread, so that a request allocates nothing.
struct Questions {
  std::vector<std::uint64_t> fids;
  std::vector<float*> targets;
  std::vector<Bag> bags;
  std::vector<float> rows;
};

Questions& questions() {
  thread_local Questions of_thread;
  return of_thread;
}

float divisor(Pooling pooling, std::size_t num) noexcept {
  if (pooling == Pooling::kSum) return 1.0F;
  return pooling == Pooling::kMean ? static_cast<float>(num) : std::sqrt(static_cast<float>(num));
}

void sum_bag(const Bag& bag, const float* rows, std::size_t dim) noexcept {
  const float* const first = rows + bag.start * dim;
  std::fill_n(bag.to, dim, 0.0F);
  for (std::size_t p = 0; p < bag.num; ++p) {
    for (std::size_t i = 0; i < dim; ++i) bag.to[i] += first[p * dim + i];
  }
  const float by = divisor(bag.pooling, bag.num);
  for (std::size_t i = 0; i < dim; ++i) bag.to[i] /= by;
}

}  // namespace

RecordPooling::RecordPooling(std::vector<Slot> slots, std::uint32_t num_dense, std::uint32_t dense_column)
    : slots_(std::move(slots)),
      num_length_words_((slots_.size() + 3) / 4),
      num_dense_(num_dense),
      num_header_words_(num_length_words_ + (num_dense_ + 1) / 2),
      dense_column_(dense_column) {
  if (slots_.size() > kMaxInputs) refuse("slots", "must be at most 65536", std::to_string(slots_.size()));
  if (num_dense_ > kMaxInputs * 64)
    refuse("num_dense", "must be at most 4194304", std::to_string(num_dense_));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].pooling == Pooling::kFirstN) refuse("pooling", "must be sum, mean or sqrtn", "first_n");
    if (i > 0 && slots_[i].table < slots_[i - 1].table) {
      refuse("slots[" + std::to_string(i) + "].table", "must not be below the one before",
             std::to_string(slots_[i].table));
    }
    if (i == 0 || slots_[i].table != slots_[i - 1].table) runs_.push_back({i, i});
    runs_.back().last = i + 1;
  }
}

void RecordPooling::check(const Records& records, std::span<const ServingTable* const> tables,
                          std::size_t width) const {
  for (const Slot& slot : slots_) {
    if (slot.table >= tables.size())
      refuse("table", "must be one of those given", std::to_string(slot.table));
    if (slot.column + std::size_t{tables[slot.table]->dim()} > width) {
      refuse("column", "must leave room for a row in " + std::to_string(width), std::to_string(slot.column));
    }
  }
  if (num_dense_ > 0 && dense_column_ + num_dense_ > width) {
    refuse("dense_column", "must leave room for the dense inputs in " + std::to_string(width),
           std::to_string(dense_column_));
  }
  const std::size_t num_words = records.words.size();
  for (std::size_t i = 0; i < records.starts.size(); ++i) {
    const std::int64_t start = records.starts[i];
    std::size_t end = start < 0 ? num_words + 1 : static_cast<std::size_t>(start) + num_header_words_;
    if (end <= num_words) {
      const std::uint64_t* const record = records.words.data() + start;
      for (std::size_t slot = 0; slot < slots_.size(); ++slot) end += length_of(record, slot);
    }
    if (end <= num_words) continue;
    refuse("starts[" + std::to_string(i) + "]",
           "must be of a record within " + std::to_string(num_words) + " words", std::to_string(start));
  }
}

void RecordPooling::pool(const Records& records, std::span<const ServingTable* const> tables,
                         std::size_t first, Lines<float> out) const {
  Questions& asked = questions();
  for (const Run& run : runs_) {
    const ServingTable& table = *tables[slots_[run.first].table];
    const std::size_t dim = table.dim();
    asked.fids.clear();
    asked.bags.clear();
    asked.targets.clear();
    std::size_t num_in_bags = 0;
    for (std::size_t i = 0; i < out.num; ++i) {
      const std::uint64_t* const record = records.words.data() + records.starts[first + i];
      const std::uint64_t* value = record + num_header_words_;
      for (std::size_t slot = 0; slot < run.first; ++slot) value += length_of(record, slot);
      float* const line = out.first + i * out.width;
      for (std::size_t slot = run.first; slot < run.last; ++slot) {
        const std::size_t num = length_of(record, slot);
        float* const to = line + slots_[slot].column;
        asked.fids.insert(asked.fids.end(), value, value + num);
        value += num;
        if (num == 1) {  // as most are: a sum of one, over 1
          asked.targets.push_back(to);
        } else if (num == 0) {
          std::fill_n(to, dim, 0.0F);
        } else {
          asked.bags.push_back({slots_[slot].pooling, num_in_bags, num, to});
          asked.targets.insert(asked.targets.end(), num, nullptr);
          num_in_bags += num;
        }
      }
    }
    if (asked.rows.size() < num_in_bags * dim) asked.rows.resize(num_in_bags * dim);
    float* row = asked.rows.data();
    if (num_in_bags > 0) {
      for (float*& target : asked.targets) {
        if (target != nullptr) continue;
        target = row;
        row += dim;
      }
    }
    table.lookup(asked.fids, std::span<float* const>(asked.targets));
    for (const Bag& bag : asked.bags) sum_bag(bag, asked.rows.data(), dim);
  }
  if (num_dense_ == 0) return;
  for (std::size_t i = 0; i < out.num; ++i) {
    std::memcpy(out.first + i * out.width + dense_column_,
                records.words.data() + records.starts[first + i] + num_length_words_,
                num_dense_ * sizeof(float));
  }
}

}  // namespace freshet
