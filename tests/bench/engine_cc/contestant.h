#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rows.h"

namespace bench {

/// A table under test. One virtual call a batch costs nothing beside the batch.
class Contestant {
 public:
  Contestant() = default;
  Contestant(const Contestant&) = delete;
  Contestant& operator=(const Contestant&) = delete;
  virtual ~Contestant() = default;

  /// Touches the memory that so many rows will take, where a table can be asked to. Others find their heap warm.
  virtual void warm(std::size_t /*num_rows*/) {}

  /// Adds absent keys with their vectors [keys.size(), kDim]; accumulators start at kInitialAccumulator.
  virtual void insert(Keys keys, ConstFloats vectors) = 0;

  /// Vectors to `out`; zeros where a key is absent.
  virtual void lookup(Keys keys, Floats out) const = 0;

  /// A step of Adagrad on present keys. Only called when made with state.
  virtual void adagrad(Keys keys, ConstFloats grads) = 0;

  virtual std::size_t size() const = 0;

  /// Of one vector as the table keeps it.
  virtual std::size_t vector_bytes() const { return kDim * sizeof(float); }

  /// What the table says it holds, where it says anything; else 0.
  virtual std::size_t memory_bytes() const { return 0; }

  /// Whether several threads may update at once; looking up together is allowed to all.
  virtual bool updates_together() const { return false; }
};

/// A contestant by name, as `--contestant` takes it.
struct Entry {
  std::string_view name;
  std::unique_ptr<Contestant> (*make)(bool with_state);  // with Adagrad's accumulators, or vectors alone
};

/// Those that this program was built with.
const std::vector<Entry>& contestants();

/// Throws std::invalid_argument, naming those there are.
const Entry& contestant_named(std::string_view name);

}  // namespace bench
