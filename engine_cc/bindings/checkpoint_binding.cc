#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>

#include "bindings.h"
#include "freshet/checkpoint.h"
#include "row_tuples.h"

namespace freshet::python {
namespace {

/// A Checkpoint that can be ended early, and that Python threads may share.
class SharedCheckpoint {
 public:
  SharedCheckpoint(Table& table, bool is_incremental)
      : dim_(table.dim()), num_state_floats_(table.num_state_floats()) {
    const py::gil_scoped_release unlocked;
    held_ = std::make_unique<Checkpoint>(table, is_incremental);
  }
  ~SharedCheckpoint() { close(); }
  SharedCheckpoint(const SharedCheckpoint&) = delete;
  SharedCheckpoint& operator=(const SharedCheckpoint&) = delete;

  void close() {
    const py::gil_scoped_release unlocked;
    const std::lock_guard lock(mutex_);
    held_.reset();
  }

  py::tuple next(std::size_t min_rows) {
    Rows rows;
    {
      const py::gil_scoped_release unlocked;
      const std::lock_guard lock(mutex_);
      rows = open().next(min_rows);
    }
    return row_tuple(std::move(rows), dim_, num_state_floats_);
  }

  /// Calls `read(checkpoint)` while nobody ends it.
  template <typename Read>
  auto read(Read read) const {
    const py::gil_scoped_release unlocked;
    const std::lock_guard lock(mutex_);
    return read(open());
  }

 private:
  Checkpoint& open() const {
    if (!held_) throw std::logic_error("the checkpoint is closed");
    return *held_;
  }

  const std::size_t dim_;
  const std::size_t num_state_floats_;
  mutable std::mutex mutex_;  // taken without the interpreter lock
  std::unique_ptr<Checkpoint> held_;
};

}  // namespace

void bind_checkpoint(py::module_& module) {
  using Self = const SharedCheckpoint&;
  const auto get = [](auto read) { return [read](Self self) { return self.read(read); }; };
  const auto copy = [](auto read) { return [read](Self self) { return take(self.read(read)); }; };
  py::class_<SharedCheckpoint>(module, "Checkpoint",
                               "A table as it was at one moment; see freshet/checkpoint.h.")
      .def(py::init<Table&, bool>(), py::arg("table"), py::arg("incremental"), py::keep_alive<1, 2>())
      .def("next", &SharedCheckpoint::next, py::arg("min_rows"))
      .def("close", &SharedCheckpoint::close)
      .def("candidates",
           [](Self self) {
             return candidate_tuple(self.read([](const Checkpoint& held) { return held.candidates(); }));
           })
      .def("erased", copy([](const Checkpoint& held) { return held.erased(); }))
      .def("pending_deletes", copy([](const Checkpoint& held) { return held.pending_deletes(); }))
      .def("state", copy([](const Checkpoint& held) { return held.state(); }))
      .def("waiting_bytes", get([](const Checkpoint& held) { return held.waiting_bytes(); }))
      .def_property_readonly("is_incremental",
                             get([](const Checkpoint& held) { return held.is_incremental(); }))
      .def_property_readonly("digest", get([](const Checkpoint& held) { return held.digest(); }))
      .def_property_readonly("num_rows", get([](const Checkpoint& held) { return held.num_rows(); }));
}

}  // namespace freshet::python
