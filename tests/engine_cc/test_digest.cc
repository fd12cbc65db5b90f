// The digest kept up to date is the digest of the rows, and a replica's is its trainer's.

#include <cmath>
#include <functional>

#include "check.h"
#include "freshet/row_digest.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

constexpr std::uint32_t kDim = 7;

/// From the definition: the sum over rows of the digest of FID and encoded vector.
std::uint64_t digest_of(const Picture& picture, Precision precision) {
  std::uint64_t sum = 0;
  std::vector<std::byte> encoded(encoded_bytes(precision, kDim));
  for (const auto& [fid, row] : picture) {
    encode(precision, row.vector.data(), kDim, encoded.data());
    sum += row_digest(fid, encoded.data(), encoded.size());
  }
  return sum;
}

void check_digest(const Table& table, Precision precision) {
  const std::uint64_t expected = digest_of(picture_of(table), precision);
  CHECK(table.digest() == expected && table.computed_digest() == expected);
}

TableOptions options_with(Precision precision) {
  TableOptions options = options_of(kDim);
  options.digest_precision = precision;
  options.max_rows = 3000;
  options.rules.set(1, {.ttl_s = 30});
  options.rules.set(2, {.admission = AdmissionKind::kMinCount, .min_count = 2});
  return options;
}

/// Everything that can change a row or the set of rows; `after(round)` is called after each change.
void live(Table& table, const std::function<void()>& after) {
  for (std::uint32_t round = 1; round <= 12; ++round) {
    const Fids fids = mixed_fids(round * 150, 600);
    const Floats grads(fids.size() * kDim, 0.125F * static_cast<float>(round));
    create(table, fids, round, round % 3);
    after();
    table.apply_gradients(fids, grads, 0.1F);
    after();
    table.apply_gradients(fids, Floats(grads.size(), 1e30F), 0.1F);  // all rejected
    after();
    const SightedBatch batch = table.sight(fids, slots_for(fids), Times{round});
    after();
    table.apply(batch, Floats(batch.fids.size() * kDim, -0.5F), 0.05F);
    after();
    const Fids some(fids.begin(), fids.begin() + 50);
    table.assign(some, slots_for(some), Floats(some.size() * kDim, 0.1F * static_cast<float>(round)));
    after();
    table.erase(Fids(fids.begin() + 20, fids.begin() + 90));
    after();
    table.expire(round + 25, 700);
    after();
    table.import_rows(rows_of(picture_of(table)));
    after();
  }
}

void test_it_is_the_digest_of_the_rows_after_every_change() {
  for (const Precision precision : {Precision::kFloat32, Precision::kFloat16, Precision::kInt8}) {
    Table table(options_with(precision));
    CHECK(table.digest() == 0);
    live(table, [&] { check_digest(table, precision); });
    Fids all;
    for (const auto& [fid, row] : picture_of(table)) all.push_back(fid);
    CHECK(!all.empty());
    table.erase(all);
    CHECK(table.digest() == 0);
  }
}

void test_order_and_place_do_not_matter() {
  Table one(options_of(kDim, 1));
  Table other(options_of(kDim, 2));
  const Fids fids = mixed_fids(0, 5000);
  create(one, fids);
  for (auto fid = fids.rbegin(); fid != fids.rend(); ++fid) create(other, {*fid});
  CHECK(one.digest() == other.digest());
  create(other, {1});
  CHECK(one.digest() != other.digest());
  other.erase(Fids{1});
  CHECK(one.digest() == other.digest());
}

void test_slots_states_and_stamps_are_not_in_it() {
  Table one(options_of(kDim));
  Table other(options_of(kDim));
  create(one, {1, 2}, 10, 1);
  create(other, {1, 2, 2}, 99, 2);
  CHECK(one.digest() == other.digest());
}

void test_a_replica_fed_by_deltas_has_its_trainers_digest() {
  for (const Precision precision : {Precision::kFloat32, Precision::kFloat16, Precision::kInt8}) {
    Table trainer(options_with(precision));
    ServingTable replica(kDim, precision, 5);
    int num_changes = 0;
    live(trainer, [&] {
      const bool in_parts = ++num_changes % 3 == 0;
      while (trainer.num_touched() > 0) apply(replica, trainer.export_delta(in_parts ? 97 : SIZE_MAX));
      trainer.acknowledge_delta();
      CHECK(replica.size() == trainer.size());
      CHECK(replica.digest() == trainer.digest());
    });
    CHECK(replica.computed_digest() == replica.digest());
  }
}

void test_one_changed_float_changes_it() {
  Table table(options_of(kDim));
  create(table, mixed_fids(0, 100));
  const std::uint64_t before = table.digest();
  Floats vector = lookup(table, {mix64(5)});
  vector[3] = std::nextafter(vector[3], 1.0F);
  table.assign(Fids{mix64(5)}, Slots{1}, vector);
  CHECK(table.digest() != before);
  vector[3] = std::nextafter(vector[3], -1.0F);
  table.assign(Fids{mix64(5)}, Slots{1}, vector);
  CHECK(table.digest() == before);
}

}  // namespace

int main() {
  test_it_is_the_digest_of_the_rows_after_every_change();
  test_order_and_place_do_not_matter();
  test_slots_states_and_stamps_are_not_in_it();
  test_a_replica_fed_by_deltas_has_its_trainers_digest();
  test_one_changed_float_changes_it();
}
