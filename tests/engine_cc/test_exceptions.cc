// Bad input changes nothing; an allocation that fails, whichever it is, leaves a valid table that can go on.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>

#include "check.h"
#include "tables.h"

namespace {

constexpr long kNever = -1;
long allocations_until_failure = kNever;

void* allocate_or_fail(std::size_t size, std::size_t alignment) {
  if (allocations_until_failure == 0) throw std::bad_alloc();
  if (allocations_until_failure > 0) --allocations_until_failure;
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* const memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_fail(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate_or_fail(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

using namespace freshet;
using namespace freshet::testing;

namespace {

void test_sizes_that_disagree_are_refused_before_anything_changes() {
  Table table(options_of(2));
  const Fids fids = {1, 2};
  Floats out(4);
  Floats wrong(3);
  CHECK_THROWS(table.lookup(fids, wrong), std::invalid_argument);
  CHECK_THROWS(table.lookup_or_create(fids, slots_for({1}), out), std::invalid_argument);
  CHECK_THROWS(table.lookup_or_create(fids, slots_for(fids), wrong), std::invalid_argument);
  CHECK_THROWS(table.apply_gradients(fids, wrong, 0.1F), std::invalid_argument);
  CHECK_THROWS(table.assign(fids, slots_for(fids), wrong), std::invalid_argument);
  CHECK_THROWS(table.apply_delta(fids, slots_for(fids), wrong, {}), std::invalid_argument);
  CHECK_THROWS(table.import_rows(fids, slots_for(fids), out, wrong, {}), std::invalid_argument);
  CHECK_THROWS(table.export_rows(0, 0), std::invalid_argument);
  CHECK_THROWS(table.export_rows(0, Table::kMaxBatch + 1), std::invalid_argument);
  CHECK(table.size() == 0 && table.num_touched() == 0);
}

void test_values_that_are_not_finite_are_refused_before_anything_changes() {
  Table table(options_of(1));
  const Fids fids = {1, 2};
  const Floats bad = {1.0F, std::numeric_limits<float>::infinity()};
  const Floats good = {1.0F, 2.0F};
  CHECK_THROWS(table.assign(fids, slots_for(fids), bad), std::invalid_argument);
  CHECK_THROWS(table.apply_delta(fids, slots_for(fids), bad, {}), std::invalid_argument);
  CHECK_THROWS(table.import_rows(fids, slots_for(fids), bad, {}, {}), std::invalid_argument);
  CHECK_THROWS(table.import_rows(fids, slots_for(fids), good, Floats{1, 0}, {}), std::invalid_argument);
  CHECK_THROWS(table.apply_gradients(fids, good, std::numeric_limits<float>::quiet_NaN()),
               std::invalid_argument);
  CHECK_THROWS(table.apply_gradients(fids, good, 0.0F), std::invalid_argument);
  CHECK(table.size() == 0);
}

void test_options_out_of_range_are_refused() {
  TableOptions options = options_of(0);
  CHECK_THROWS(Table{options}, std::invalid_argument);
  options = options_of(Table::kMaxDim + 1);
  CHECK_THROWS(Table{options}, std::invalid_argument);
  options = options_of(1);
  options.initial_accumulator = 0;
  CHECK_THROWS(Table{options}, std::invalid_argument);
  options = options_of(1);
  options.init_scale = -0.1F;
  CHECK_THROWS(Table{options}, std::invalid_argument);
}

/// One life of a table: growth past a split, gradients, deletes, a delta that fails and one that arrives.
void live(Table& table, Table& replica) {
  for (std::uint64_t start = 0; start < 24'000; start += 4000) {
    Fids fids;
    for (std::uint64_t i = start; i < start + 4000; ++i) fids.push_back(mix64(i));
    create(table, fids);
    table.apply_gradients(fids, Floats(fids.size(), 1.0F), 0.1F);
    fids.resize(100);
    table.erase(fids);
  }
  apply(replica, table.export_delta(10'000));
  table.restore_delta();
  apply(replica, table.export_delta(SIZE_MAX));
  table.acknowledge_delta();
}

/// What must hold of any valid table: rows, index and touched set agree, and a replica can be brought level.
void check_valid(Table& table) {
  Fids all;
  Rows rows;
  do {
    rows = table.export_rows(rows.next_cursor, 5000);
    all.insert(all.end(), rows.fids.begin(), rows.fids.end());
  } while (!rows.fids.empty());
  CHECK(all.size() == table.size());
  const auto present = std::make_unique<bool[]>(all.size());
  table.contains(all, std::span<bool>(present.get(), all.size()));
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(present[i]);
}

void test_whichever_allocation_fails_the_table_stays_valid_and_can_go_on() {
  std::size_t num_failures = 0;
  for (long at = 0;; at += 1 + at / 40) {
    Table table(options_of(1));
    Table replica(options_of(1));
    bool failed = false;
    allocations_until_failure = at;
    try {
      live(table, replica);
    } catch (const std::bad_alloc&) {
      failed = true;
      ++num_failures;
    }
    allocations_until_failure = kNever;
    check_valid(table);
    check_valid(replica);
    if (failed) table.restore_delta();
    live(table, replica);
    check_valid(table);
    CHECK(replica.size() == table.size() && replica.digest() == table.digest());
    if (!failed) break;
  }
  CHECK(num_failures > 50);
}

}  // namespace

int main() {
  test_sizes_that_disagree_are_refused_before_anything_changes();
  test_values_that_are_not_finite_are_refused_before_anything_changes();
  test_options_out_of_range_are_refused();
  test_whichever_allocation_fails_the_table_stays_valid_and_can_go_on();
}
