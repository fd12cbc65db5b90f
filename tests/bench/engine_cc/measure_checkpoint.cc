#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "freshet/checkpoint.h"
#include "freshet_options.h"
#include "keys.h"
#include "measure.h"
#include "slices.h"

namespace bench {
namespace {

constexpr std::size_t kStepKeys = 8'192;
constexpr std::size_t kPieceRows = 65'536;

/// Steps of 8,192 keys as a trainer makes them: sighted, gathered, learned.
class Trainer {
 public:
  Trainer(freshet::Table& table, std::uint32_t num_rows)
      : table_(table),
        keys_(keys_at(Places(num_rows, Distribution::kUniform, 37).draw(256 * kStepKeys))),
        slots_(kStepKeys, kSlot),
        out_(kStepKeys * kDim),
        grads_(kStepKeys * kDim, 0.001F) {}

  /// Steps while `is_over` says no; the seconds that each took.
  template <typename IsOver>
  std::vector<double> train_until(IsOver is_over) {
    std::vector<double> took_s;
    while (!is_over()) took_s.push_back(seconds_of([this] { step(); }));
    return took_s;
  }

 private:
  void step() {
    const Keys keys(&keys_[at_], kStepKeys);
    at_ = (at_ + kStepKeys) % keys_.size();
    const freshet::SightedBatch batch = table_.sight(keys, slots_, {&kNow, 1});
    table_.gather(batch, {out_.data(), batch.fids.size() * kDim});
    table_.apply(batch, {grads_.data(), batch.fids.size() * kDim}, kLearningRate);
  }

  freshet::Table& table_;
  const std::vector<std::uint64_t> keys_;
  const std::vector<std::uint16_t> slots_;
  std::vector<float> out_;
  const std::vector<float> grads_;
  std::size_t at_ = 0;
};

/// A file that is gone when it is closed.
class Disk {
 public:
  Disk() : file_(std::tmpfile(), std::fclose) { BENCH_CHECK(file_ != nullptr, "no temporary file"); }

  template <typename Value>
  void put(const std::vector<Value>& values) {
    BENCH_CHECK(std::fwrite(values.data(), sizeof(Value), values.size(), file_.get()) == values.size(),
                "the disk is full");
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

struct Nowhere {
  template <typename Value>
  void put(const std::vector<Value>&) {}
};

struct Written {
  std::size_t num_rows = 0;
  std::size_t most_waiting_bytes = 0;
};

/// Every row.
template <typename Target>
Written write_checkpoint(freshet::Table& table) {
  Target target;
  freshet::Checkpoint checkpoint(table, false);
  Written written;
  while (true) {
    const freshet::Rows rows = checkpoint.next(kPieceRows);
    if (rows.fids.empty()) break;
    written.num_rows += rows.fids.size();
    written.most_waiting_bytes = std::max(written.most_waiting_bytes, checkpoint.waiting_bytes());
    target.put(rows.fids);
    target.put(rows.slots);
    target.put(rows.seen_at_s);
    target.put(rows.vectors);
    target.put(rows.states);
  }
  BENCH_CHECK(written.num_rows == checkpoint.num_rows(), "the number of rows in a checkpoint");
  return written;
}

/// As many bytes as a checkpoint of so many rows, from one buffer and with no table: what this machine's disk alone does
/// to a thread beside.
void write_plainly(std::size_t num_rows) {
  constexpr std::size_t kRowBytes = 8 + 2 + 4 + 2 * kDim * sizeof(float);
  Disk disk;
  const std::vector<char> piece(kPieceRows * kRowBytes, 1);
  for (std::size_t row = 0; row < num_rows; row += kPieceRows) disk.put(piece);
}

double longest(const std::vector<double>& took_s) { return *std::max_element(took_s.begin(), took_s.end()); }

double rate(const std::vector<double>& took_s) {
  double total_s = 0;
  for (const double each_s : took_s) total_s += each_s;
  return static_cast<double>(took_s.size() * kStepKeys) / total_s;
}

/// The steps that a trainer made while `work` ran in another thread, and how long that took.
template <typename Work>
std::vector<double> train_beside(Trainer& trainer, double& work_s, Work work) {
  std::atomic<bool> is_over = false;
  std::thread other([&] {
    work_s = seconds_of(work);
    is_over = true;
  });
  std::vector<double> took_s = trainer.train_until([&] { return is_over.load(); });
  other.join();
  return took_s;
}

}  // namespace

void measure_checkpoint(const Plan& plan, Figures& figures) {
  freshet::Table table(freshet_options(true));
  const std::vector<std::uint16_t> slots(kLargeBatch, kSlot);
  put_rows(plan.num_rows,
           [&](Keys keys, ConstFloats vectors) { table.assign(keys, {slots.data(), keys.size()}, vectors); });
  Trainer trainer(table, plan.num_rows);
  PairedRates kept;
  std::vector<double> wrote_s;
  std::vector<double> longest_s;
  std::vector<double> longest_unwritten_s;
  std::vector<double> longest_plain_s;
  std::vector<double> longest_alone_s;
  std::size_t most_waiting = 0;
  for (std::size_t round = 0; round <= plan.num_rounds; ++round) {
    double write_s = 0;
    double other_s = 0;
    const std::vector<double> beside = train_beside(trainer, write_s, [&] {
      most_waiting = std::max(most_waiting, write_checkpoint<Disk>(table).most_waiting_bytes);
    });
    const double started_s = now_s();
    const std::vector<double> alone = trainer.train_until([&] { return now_s() - started_s > write_s; });
    const std::vector<double> unwritten =
        train_beside(trainer, other_s, [&] { write_checkpoint<Nowhere>(table); });
    const std::vector<double> plain = train_beside(trainer, other_s, [&] { write_plainly(plan.num_rows); });
    if (round == 0) continue;
    kept.add(rate(beside), rate(alone));
    wrote_s.push_back(write_s);
    longest_s.push_back(longest(beside));
    longest_unwritten_s.push_back(longest(unwritten));
    longest_plain_s.push_back(longest(plain));
    longest_alone_s.push_back(longest(alone));
  }
  figures.add("checkpoint_s", median(wrote_s));
  figures.add("checkpoint_training_kept", kept.share());
  figures.add("training_keys_per_s", kept.reference());
  figures.add("checkpoint_longest_step_ms", 1'000 * longest(longest_s));
  figures.add("checkpoint_longest_step_median_ms", 1'000 * median(longest_s));
  figures.add("unwritten_checkpoint_longest_step_ms", 1'000 * longest(longest_unwritten_s));
  figures.add("plain_write_longest_step_ms", 1'000 * longest(longest_plain_s));
  figures.add("longest_step_alone_ms", 1'000 * longest(longest_alone_s));
  figures.add("checkpoint_most_waiting_bytes", static_cast<double>(most_waiting));
}

}  // namespace bench
