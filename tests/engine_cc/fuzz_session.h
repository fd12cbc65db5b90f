#pragma once

// The operations of fuzz_table.cc.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "freshet/checkpoint.h"
#include "freshet/serving_table.h"
#include "freshet/table.h"
#include "fuzz_checks.h"
#include "fuzz_input.h"
#include "fuzz_model.h"

namespace freshet::testing {

class FuzzSession : FuzzInput {
 public:
  explicit FuzzSession(std::span<const std::uint8_t> bytes)
      : FuzzInput(bytes),
        table_(options_),
        model_(options_),
        serving_(options_.dim, options_.digest_precision, 5) {}

  void run() {
    while (!bytes_.empty()) {
      step();
      AGREE(table_.size() == model_.rows.size());
      AGREE(table_.num_touched() == model_.num_touched());
    }
    check_same(table_, model_, now_s_);
    check_counters();
    if (checkpoint_) finish_checkpoint();
    level_serving();
  }

 private:
  void step() {
    switch (byte() % 16) {
      case 0:
        return look_up();
      case 1:
        return see(false);
      case 2:
        return see(true);
      case 3:
        return learn();
      case 4:
        return assign();
      case 5:
        return erase();
      case 6:
        return expire();
      case 7:
        return export_delta();
      case 8:
        return acknowledge();
      case 9:
        return restore();
      case 10:
        return forget_touched();
      case 11:
        return begin_checkpoint();
      case 12:
        return read_checkpoint();
      case 13:
        return import_deletes();
      case 14:
        return assign_crowded();
      case 15:
        now_s_ += byte() % 16;
        return;
    }
  }

  // Reading.

  void look_up() {
    const Fids fids = batch();
    const bool initial = byte() % 2 == 1;
    Floats out(fids.size() * options_.dim, -9.0F);
    table_.lookup(fids, out, initial ? Table::Absent::kInitial : Table::Absent::kZeros);
    const auto present = std::make_unique<bool[]>(fids.size());
    table_.contains(fids, std::span(present.get(), fids.size()));
    for (std::size_t i = 0; i < fids.size(); ++i) {
      AGREE(present[i] == model_.rows.contains(fids[i]));
      Floats expected = vector_of(fids[i]);
      if (initial && !present[i]) {
        initialise_vector(options_.initializer, options_.seed, fids[i], expected.data(), options_.dim);
      }
      AGREE(std::equal(expected.begin(), expected.end(), &out[i * options_.dim]));
    }
  }

  Floats vector_of(std::uint64_t fid) const {
    const auto row = model_.rows.find(fid);
    if (row == model_.rows.end()) return Floats(options_.dim, 0.0F);
    return {row->second.floats.begin(), row->second.floats.begin() + options_.dim};
  }

  // Sighting and learning.

  void see(bool learns) {
    const Fids fids = batch();
    std::vector<std::uint16_t> slots;
    std::vector<std::uint32_t> seen_at_s;
    const std::uint8_t late = byte();
    for (std::size_t i = 0; i < fids.size(); ++i) {
      slots.push_back(slot_of(fids[i]));
      // A late event may still find a count that has been forgotten by now; which of the two is not promised.
      seen_at_s.push_back(slots[i] == 2 ? now_s_ : now_s_ - (late >> (i % 8) & 1U) * 3);
    }
    see_in_model(fids, slots, seen_at_s, learns);
    if (learns) {
      learn_from(fids, table_.sight(fids, slots, seen_at_s));
    } else {
      Floats out(fids.size() * options_.dim, -9.0F);
      table_.lookup_or_create(fids, slots, seen_at_s, out);
      for (std::size_t i = 0; i < fids.size(); ++i) {
        const Floats expected = vector_of(fids[i]);
        AGREE(std::equal(expected.begin(), expected.end(), &out[i * options_.dim]));
      }
    }
  }

  void see_in_model(const Fids& fids, const std::vector<std::uint16_t>& slots,
                    const std::vector<std::uint32_t>& seen_at_s, bool learns) {
    std::map<std::uint64_t, TableModel::Sighting> sightings;
    for (std::size_t i = 0; i < fids.size(); ++i) {
      const auto [at, is_new] = sightings.try_emplace(
          fids[i], TableModel::Sighting{fids[i], slots[i], seen_at_s[i], 0, 0, num_sighted_ + i});
      at->second.latest_s = std::max(at->second.latest_s, seen_at_s[i]);
      ++at->second.num;
    }
    for (const auto& entry : sightings) model_.sight(entry.second, learns);
    num_sighted_ += fids.size();
  }

  /// What may come between sighting and applying (but no new rows: whether those are found is not promised), then the
  /// gradients.
  void learn_from(const Fids& fids, const SightedBatch& batch) {
    for (std::size_t i = 0; i < fids.size(); ++i) {
      AGREE(batch.fids[static_cast<std::size_t>(batch.members[i])] == fids[i]);
    }
    switch (byte() % 8) {
      case 0:
        erase();
        break;
      case 1:
        export_delta();
        break;
      case 2:
        begin_checkpoint();
        break;
      case 3:
        read_checkpoint();
        break;
      case 4:
        acknowledge();
        break;
      default:
        break;
    }
    Floats vectors(batch.fids.size() * options_.dim, -9.0F);
    table_.gather(batch, vectors);
    const Floats grads = matrix(batch.fids.size());
    std::size_t num_applied = 0;
    for (std::size_t i = 0; i < batch.fids.size(); ++i) {
      const Floats expected = vector_of(batch.fids[i]);
      AGREE(std::equal(expected.begin(), expected.end(), &vectors[i * options_.dim]));
      num_applied += model_.learn(batch.fids[i], {&grads[i * options_.dim]}, 0.125F);
    }
    AGREE(table_.apply(batch, grads, 0.125F).num_applied == num_applied);
  }

  void learn() {
    const Fids fids = batch();
    Floats grads = matrix(fids.size());
    if (!fids.empty() && byte() % 4 == 0) grads[byte() % grads.size()] = std::nanf("");
    std::map<std::uint64_t, std::vector<const float*>> by_fid;
    for (std::size_t i = 0; i < fids.size(); ++i) by_fid[fids[i]].push_back(&grads[i * options_.dim]);
    std::size_t num_applied = 0;
    for (const auto& [one, gradients] : by_fid) num_applied += model_.learn(one, gradients, 0.125F);
    const ApplyResult result = table_.apply_gradients(fids, grads, 0.125F);
    AGREE(result.num_applied == num_applied);
    AGREE(result.num_applied + result.num_absent + result.num_rejected == fids.size());
  }

  // Other changes.

  void assign_in_model(std::uint64_t one, std::uint16_t slot, std::span<const float> vector) {
    model_.assign(one, slot, vector);
    if (options_.optimizer.kind != OptimizerKind::kFtrl) return;
    Optimizer(options_.optimizer, options_.dim).initialise(&model_.rows.at(one).floats[options_.dim]);
  }

  void assign() {
    const Fids fids = batch();
    const Floats vectors = matrix(fids.size());
    std::vector<std::uint16_t> slots;
    for (std::size_t i = 0; i < fids.size(); ++i) slots.push_back(byte() % 5);
    table_.assign(fids, slots, vectors);
    for (std::size_t i = 0; i < fids.size(); ++i) {
      assign_in_model(fids[i], slots[i], std::span(vectors).subspan(i * options_.dim, options_.dim));
    }
  }

  /// All of a FID or nothing.
  void assign_one(std::uint64_t one, std::uint16_t slot, std::span<const float> vector) {
    try {
      table_.assign(std::span(&one, 1), std::span(&slot, 1), vector);
    } catch (const std::length_error&) {
      AGREE(!model_.rows.contains(one));
      return;
    }
    assign_in_model(one, slot, vector);
  }

  void assign_crowded() {
    const std::size_t num = byte() % kNumCrowded;
    const Floats vector = matrix(1);
    for (std::size_t i = 0; i <= num; ++i) assign_one(fids_[fids_.size() - 1 - i], 0, vector);
  }

  void erase() {
    const Fids fids = batch();
    std::size_t num_erased = 0;
    for (const std::uint64_t one : fids) num_erased += model_.erase(one) ? 1 : 0;
    num_erased_ += num_erased;
    AGREE(table_.erase(fids) == num_erased);
  }

  void import_deletes() {
    const Fids fids = batch();
    for (const std::uint64_t one : fids) {
      if (!model_.rows.contains(one)) model_.deletes.insert(one);
    }
    table_.import_deletes(fids);
  }

  /// A whole round evicts exactly what has expired; part of one evicts nothing else.
  void expire() {
    const bool is_whole = byte() % 2 == 0;
    const std::size_t num = table_.expire(now_s_, is_whole ? SIZE_MAX : 1);
    std::size_t num_gone = 0;
    for (auto row = model_.rows.begin(); row != model_.rows.end();) {
      const std::uint64_t one = row->first;
      const ModelRow& known = (row++)->second;
      bool present = false;
      table_.contains(std::span(&one, 1), std::span(&present, 1));
      if (present) {
        AGREE(!is_whole || !model_.has_expired(known, now_s_));
        continue;
      }
      AGREE(model_.has_expired(known, now_s_));
      model_.erase(one);
      ++num_gone;
    }
    AGREE(num == num_gone);
    num_expired_ += num;
  }

  // Deltas.

  void export_delta() {
    const std::size_t most = byte();
    const std::size_t num_waiting = model_.num_touched();
    const Delta delta = table_.export_delta(most);
    AGREE(delta.fids.size() + delta.deleted.size() == std::min(most, num_waiting));
    AGREE(delta.deleted.size() == std::min(most, model_.deletes.size()));
    for (const std::uint64_t one : delta.deleted) AGREE(model_.deletes.erase(one) == 1);
    for (std::size_t i = 0; i < delta.fids.size(); ++i) {
      ModelRow& row = model_.rows.at(delta.fids[i]);
      AGREE(row.touched && row.slot == delta.slots[i]);
      AGREE(std::equal(&delta.vectors[i * options_.dim], &delta.vectors[i * options_.dim] + options_.dim,
                       row.floats.begin()));
      row.touched = false;
      row.in_flight = true;
    }
    model_.in_flight.insert(model_.in_flight.end(), delta.deleted.begin(), delta.deleted.end());
    model_.in_flight.insert(model_.in_flight.end(), delta.fids.begin(), delta.fids.end());
    waiting_.push_back(delta);
  }

  void deliver() {
    for (const Delta& delta : waiting_) serving_.apply_delta(delta.fids, delta.vectors, delta.deleted);
    waiting_.clear();
  }

  void acknowledge() {
    deliver();
    table_.acknowledge_delta();
    model_.acknowledge();
  }

  /// Lost, though it may have arrived.
  void restore() {
    if (byte() % 2 == 0) deliver();
    waiting_.clear();
    table_.restore_delta();
    model_.restore();
  }

  /// The serving table is made anew from a snapshot.
  void forget_touched() {
    waiting_.clear();
    table_.forget_touched();
    model_.forget_touched();
    Fids old;
    for (ServingTable::Part part = serving_.export_rows(0, 100); !part.fids.empty();
         part = serving_.export_rows(part.next_cursor, 100)) {
      old.insert(old.end(), part.fids.begin(), part.fids.end());
    }
    Fids fids;
    Floats vectors;
    for (Rows rows = table_.export_rows(0, 100); !rows.fids.empty();
         rows = table_.export_rows(rows.next_cursor, 100)) {
      fids.insert(fids.end(), rows.fids.begin(), rows.fids.end());
      vectors.insert(vectors.end(), rows.vectors.begin(), rows.vectors.end());
    }
    serving_.apply_delta(fids, vectors, old);
    AGREE(serving_.digest() == table_.digest() && serving_.size() == table_.size());
  }

  void level_serving() {
    restore();
    export_all();
    acknowledge();
    AGREE(table_.num_touched() == 0 && table_.pending_deletes().empty());
    AGREE(serving_.size() == table_.size() && serving_.digest() == table_.digest());
    AGREE(serving_.digest() == serving_.computed_digest());
    Floats out(fids_.size() * options_.dim, -9.0F);
    serving_.lookup(fids_, out);
    std::vector<std::byte> encoded(encoded_bytes(options_.digest_precision, options_.dim));
    for (std::size_t i = 0; i < fids_.size(); ++i) {
      Floats expected = vector_of(fids_[i]);
      encode(options_.digest_precision, expected.data(), options_.dim, encoded.data());
      decode(options_.digest_precision, encoded.data(), options_.dim, expected.data());
      AGREE(std::equal(expected.begin(), expected.end(), &out[i * options_.dim]));
    }
  }

  void export_all() {
    const Delta delta = table_.export_delta(SIZE_MAX);
    AGREE(delta.fids.size() + delta.deleted.size() == model_.num_touched());
    for (auto& entry : model_.rows) entry.second.touched = false;
    model_.deletes.clear();
    waiting_.push_back(delta);
  }

  // Checkpoints: what was kept so far and the model as it was when the running one began.

  void begin_checkpoint() {
    if (checkpoint_) return;
    const std::uint8_t choice = byte();
    checkpoint_ = std::make_unique<Checkpoint>(table_, choice % 2 == 1);
    if (choice % 16 == 15) return checkpoint_.reset();  // given up: the next is full
    if (!checkpoint_->is_incremental()) kept_.clear();
    for (const std::uint64_t one : checkpoint_->erased()) kept_.erase(one);
    at_begin_.emplace(model_);
  }

  void read_checkpoint() {
    if (!checkpoint_) return;
    const Rows rows = checkpoint_->next(1 + byte() % 8);
    if (rows.fids.empty()) return end_checkpoint();
    for (std::size_t i = 0; i < rows.fids.size(); ++i) keep_row(rows, i);
  }

  void keep_row(const Rows& rows, std::size_t i) {
    const std::size_t dim = options_.dim;
    const std::size_t num_state = table_.num_state_floats();
    ModelRow row;
    row.floats.assign(&rows.vectors[i * dim], &rows.vectors[i * dim] + dim);
    row.floats.insert(row.floats.end(), rows.states.begin() + static_cast<std::ptrdiff_t>(i * num_state),
                      rows.states.begin() + static_cast<std::ptrdiff_t>((i + 1) * num_state));
    row.slot = rows.slots[i];
    row.seen_at_s = rows.seen_at_s[i];
    row.count = rows.counts[i];
    kept_[rows.fids[i]] = row;
  }

  void finish_checkpoint() {
    while (checkpoint_) read_checkpoint();
  }

  /// What was kept is the table when the checkpoint began, and makes another table that is equal to it.
  void end_checkpoint() {
    AGREE(checkpoint_->num_rows() == kept_.size());
    Rows rows;
    for (const auto& [one, row] : kept_) {
      const auto dim = static_cast<std::ptrdiff_t>(options_.dim);
      rows.fids.push_back(one);
      rows.slots.push_back(row.slot);
      rows.seen_at_s.push_back(row.seen_at_s);
      rows.counts.push_back(static_cast<std::uint8_t>(row.count));
      rows.touched.push_back(at_begin_->rows.at(one).touched || at_begin_->rows.at(one).in_flight);
      rows.vectors.insert(rows.vectors.end(), row.floats.begin(), row.floats.begin() + dim);
      rows.states.insert(rows.states.end(), row.floats.begin() + dim, row.floats.end());
    }
    TableOptions options = options_;
    options.index_salt = kSalt + 1;
    Table loaded(options);
    loaded.import_rows(rows);
    loaded.import_candidates(checkpoint_->candidates());
    loaded.import_deletes(checkpoint_->pending_deletes());
    AGREE(loaded.digest() == checkpoint_->digest());
    TableModel expected = *at_begin_;
    expected.restore();  // what is in flight at the time is not known to have arrived
    check_same(loaded, expected, now_s_);
    AGREE(loaded.num_touched() == expected.num_touched());
    checkpoint_.reset();
    at_begin_.reset();
  }

  void check_counters() const {
    const TableCounters counters = table_.counters();
    AGREE(counters.num_erased == num_erased_ && counters.num_expired == num_expired_);
    AGREE(counters.num_created - num_erased_ - num_expired_ == table_.size());
    AGREE(counters.num_candidates_dropped == 0 && counters.num_over_budget == 0);
  }

  Table table_;
  TableModel model_;
  ServingTable serving_;
  std::vector<Delta> waiting_;  // on their way to the serving table
  std::uint32_t now_s_ = 1000;
  std::uint64_t num_sighted_ = 0;
  std::uint64_t num_erased_ = 0;
  std::uint64_t num_expired_ = 0;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::optional<TableModel> at_begin_;
  std::map<std::uint64_t, ModelRow> kept_;
};

}  // namespace freshet::testing
