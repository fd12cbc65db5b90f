// A checkpoint is the table as it was when it began, whatever is done to the table between its pieces; increments on a
// full one give the whole again.

#include <functional>
#include <memory>
#include <stdexcept>

#include "admission_streams.h"
#include "check.h"
#include "freshet/checkpoint.h"
#include "pictures.h"

using namespace freshet;
using namespace freshet::testing;

namespace {

constexpr std::uint32_t kDim = 3;

TableOptions checkpoint_options() {
  TableOptions options = options_of(kDim);
  options.rules.set(2, {.ttl_s = 40});
  options.rules.set(3, counting(3));
  return options;
}

/// Everything that a table has at one moment.
struct Moment {
  explicit Moment(const Table& table)
      : rows(picture_of(table)),
        pending_deletes(table.pending_deletes()),
        candidates(table.export_candidates()),
        state(table.export_state()),
        digest(table.digest()) {}
  Picture rows;
  Fids pending_deletes;
  Candidates candidates;
  std::vector<std::uint64_t> state;
  std::uint64_t digest;
};

void check_header(const Checkpoint& checkpoint, const Moment& moment) {
  CHECK(checkpoint.num_rows() == moment.rows.size() && checkpoint.digest() == moment.digest);
  CHECK(checkpoint.pending_deletes() == moment.pending_deletes);
  CHECK(same(checkpoint.candidates(), moment.candidates));
  CHECK(checkpoint.state() == moment.state);
}

using Between = std::function<void(Table&, std::uint32_t)>;

/// Reads a checkpoint in pieces, with `between` before the first and after each.
Picture read(Table& table, Checkpoint& checkpoint, const Between& between, std::size_t piece = 1500) {
  Picture picture;
  std::uint32_t number = 0;
  for (;;) {
    if (number < 12) between(table, number++);  // else growth would go on as fast as it is read
    const Rows rows = checkpoint.next(piece);
    if (rows.fids.empty()) break;
    add_rows(picture, rows, kDim, table.num_state_floats());  // no row twice
  }
  CHECK(checkpoint.waiting_bytes() == 0);
  return picture;
}

void nothing(Table&, std::uint32_t) {}

void update(Table& table, std::uint32_t number) {
  const Fids fids = mixed_fids(number * 300, 600);
  table.apply_gradients(fids, Floats(fids.size() * kDim, 0.5F), 0.1F);
  const SightedBatch batch = table.sight(fids, slots_for(fids), Times{200 + number});
  table.apply(batch, Floats(batch.fids.size() * kDim, 0.25F), 0.1F);
  const Fids some = mixed_fids(number * 150, 100);
  table.assign(some, slots_for(some, 7), Floats(some.size() * kDim, static_cast<float>(number)));
}
void grow(Table& table, std::uint32_t number) {
  create(table, mixed_fids(1'000'000 + number * 5000, 5000), 200);
}
void erase(Table& table, std::uint32_t number) { table.erase(mixed_fids(number * 400, 250)); }
void erase_and_create(Table& table, std::uint32_t number) {
  erase(table, number);
  create(table, mixed_fids(number * 400, 150), 300, 5);
}
void expire(Table& table, std::uint32_t number) { table.expire(120 + number * 3, 1000); }
void import(Table& table, std::uint32_t number) {
  Rows rows;
  rows.fids = mixed_fids(number * 300, 300);
  rows.slots = slots_for(rows.fids, 6);
  rows.vectors.assign(rows.fids.size() * kDim, 0.75F);
  table.import_rows(rows);
}
void publish(Table& table, std::uint32_t number) {
  table.export_delta(number % 2 == 0 ? 300 : 50'000);
  if (number % 3 == 2) table.restore_delta();
}
void everything(Table& table, std::uint32_t number) {
  update(table, number);
  erase_and_create(table, number + 3);
  expire(table, number);
  import(table, number + 5);
  create(table, mixed_fids(2'000'000 + number * 500, 500), 200);
  publish(table, number);
}

const Between kWriters[] = {nothing, update, grow,    erase,     erase_and_create,
                            expire,  import, publish, everything};

std::unique_ptr<Table> filled_table() {
  auto table = std::make_unique<Table>(checkpoint_options());
  for (std::uint32_t i = 0; i < 10; ++i) create(*table, mixed_fids(i * 600, 600), 80 + i * 5, i % 3);
  create(*table, mixed_fids(500'000, 300), 90, 3);  // candidates
  const Fids fids = mixed_fids(0, 6000);
  table->apply_gradients(fids, Floats(fids.size() * kDim, 1.0F), 0.1F);
  table->erase(mixed_fids(100, 50));
  table->export_delta(1500);
  table->erase(mixed_fids(200, 50));
  return table;
}

void test_a_full_one_is_the_table_as_it_began() {
  for (const Between& writer : kWriters) {
    for (const std::size_t piece : {1, 2500}) {
      const auto table = filled_table();
      const Moment moment(*table);
      Checkpoint checkpoint(*table, false);
      CHECK(!checkpoint.is_incremental());
      const Picture picture = read(*table, checkpoint, writer, piece);
      CHECK(picture == moment.rows);
      check_header(checkpoint, moment);
      CHECK(table->digest() == table->computed_digest());
    }
  }
}

/// What a loader makes of the last whole picture and an increment.
void add_increment(Picture& picture, const Fids& erased, const Picture& changed) {
  for (const std::uint64_t fid : erased) picture.erase(fid);
  for (const auto& [fid, row] : changed) picture[fid] = row;
}

void test_a_chain_of_increments_gives_the_table_as_each_began() {
  for (const Between& writer : kWriters) {
    const auto table = filled_table();
    Picture chain;
    for (std::uint32_t link = 0; link < 5; ++link) {
      const Moment moment(*table);
      Checkpoint checkpoint(*table, true);
      CHECK(checkpoint.is_incremental() == (link != 0));
      const Picture changed = read(*table, checkpoint, writer, link % 2 == 0 ? 300 : 2000);
      if (link == 0) CHECK(changed == moment.rows);
      add_increment(chain, checkpoint.erased(), changed);
      // An increment need not repeat a row of which only what is published has changed.
      CHECK(untouched(chain) == untouched(moment.rows));
      check_header(checkpoint, moment);
      writer(*table, 20 + link);
    }
  }
}

void test_an_increment_has_only_what_changed() {
  const auto table = filled_table();
  {
    Checkpoint base(*table, false);
    read(*table, base, nothing);
  }
  {
    Checkpoint empty(*table, true);
    CHECK(empty.is_incremental() && read(*table, empty, nothing).empty() && empty.erased().empty());
  }
  table->apply_gradients(Fids{mix64(5000), 77}, Floats(2 * kDim, 1.0F), 0.1F);  // 77 is not there
  create(*table, {mix64(5001)}, 500);
  create(*table, {123}, 500);
  table->erase(Fids{mix64(5002)});
  Checkpoint increment(*table, true);
  const Picture changed = read(*table, increment, nothing);
  CHECK(changed.size() == 3);
  CHECK(changed.count(mix64(5000)) == 1 && changed.count(mix64(5001)) == 1 && changed.count(123) == 1);
  CHECK(increment.erased() == Fids{mix64(5002)});
  const Picture now = picture_of(*table);
  for (const auto& [fid, row] : changed) CHECK(now.at(fid) == row);
}

void test_an_abandoned_one_makes_the_next_full() {
  for (const std::size_t num_read : {0, 1, 3000}) {
    const auto table = filled_table();
    {
      Checkpoint base(*table, false);
      read(*table, base, nothing);
    }
    everything(*table, 1);
    {
      Checkpoint abandoned(*table, true);
      CHECK(abandoned.is_incremental());
      if (num_read != 0) abandoned.next(num_read);
      everything(*table, 2);
    }
    const std::size_t bytes = table->memory_bytes();
    const Moment moment(*table);
    Checkpoint next(*table, true);
    CHECK(!next.is_incremental());
    CHECK(read(*table, next, everything) == moment.rows);
    CHECK(bytes < std::size_t{64} << 20);
  }
}

void test_after_an_abandoned_one_writers_copy_no_more() {
  const auto table = filled_table();
  {
    Checkpoint abandoned(*table, false);
  }
  const std::size_t before = table->memory_bytes();
  const Fids fids = mixed_fids(0, 6000);
  for (int i = 0; i < 3; ++i) table->apply_gradients(fids, Floats(fids.size() * kDim, 1.0F), 0.1F);
  CHECK(table->memory_bytes() <= before + 400'000);  // the log of touched rows
}

void test_a_second_one_is_refused_while_the_first_lives() {
  Table table(checkpoint_options());
  create(table, mixed_fids(0, 100));
  auto first = std::make_unique<Checkpoint>(table, false);
  CHECK_THROWS(Checkpoint(table, false), std::logic_error);
  CHECK_THROWS(Checkpoint(table, true), std::logic_error);
  CHECK(first->next(1000).fids.size() == 100);
  first.reset();
  Checkpoint second(table, false);
  CHECK(second.next(1000).fids.size() == 100);
  CHECK_THROWS(second.next(0), std::invalid_argument);
}

void test_copies_are_at_most_one_a_row_and_are_let_go() {
  const auto table = filled_table();
  Checkpoint checkpoint(*table, false);
  const Fids fids = mixed_fids(0, 6000);
  for (int i = 0; i < 5; ++i) table->apply_gradients(fids, Floats(fids.size() * kDim, 1.0F), 0.1F);
  const std::size_t waiting = checkpoint.waiting_bytes();
  CHECK(waiting > 0 && waiting <= 16 * (std::size_t{2} << 20));  // a block a shard holds them
  Picture picture = read(*table, checkpoint, nothing);
  CHECK(picture.size() == checkpoint.num_rows());
  CHECK(checkpoint.waiting_bytes() == 0);
}

void test_a_table_restored_from_one_lives_on_as_the_saved_one() {
  const auto table = filled_table();
  Checkpoint checkpoint(*table, false);
  const Picture picture = read(*table, checkpoint, nothing);
  Table restored(checkpoint_options());
  restored.import_rows(rows_of(picture));
  restored.import_deletes(checkpoint.pending_deletes());
  restored.import_candidates(checkpoint.candidates());
  restored.import_state(checkpoint.state());
  CHECK(picture_of(restored) == picture && restored.digest() == checkpoint.digest());
  const auto live_on = [](Table& one) {
    update(one, 1);
    erase_and_create(one, 2);
    create(one, mixed_fids(500'000, 300), 91, 3);
    create(one, mixed_fids(500'000, 200), 92, 3);
    grow(one, 3);
    for (std::uint32_t i = 0; i < 5; ++i) expire(one, i);
  };
  live_on(*table);
  live_on(restored);
  CHECK(untouched(picture_of(*table)) == untouched(picture_of(restored)));
  CHECK(same(table->export_candidates(), restored.export_candidates()));
  CHECK(table->export_state() == restored.export_state());
}

void test_what_a_new_tables_checkpoints_say_of_nothing() {
  Table table(checkpoint_options());
  for (int i = 0; i < 2; ++i) {
    Checkpoint checkpoint(table, true);
    CHECK(checkpoint.num_rows() == 0 && checkpoint.digest() == 0 && checkpoint.next(10).fids.empty());
    CHECK(checkpoint.next(10).fids.empty());
  }
}

}  // namespace

int main() {
  test_a_full_one_is_the_table_as_it_began();
  test_a_chain_of_increments_gives_the_table_as_each_began();
  test_an_increment_has_only_what_changed();
  test_an_abandoned_one_makes_the_next_full();
  test_after_an_abandoned_one_writers_copy_no_more();
  test_a_second_one_is_refused_while_the_first_lives();
  test_copies_are_at_most_one_a_row_and_are_let_go();
  test_a_table_restored_from_one_lives_on_as_the_saved_one();
  test_what_a_new_tables_checkpoints_say_of_nothing();
}
