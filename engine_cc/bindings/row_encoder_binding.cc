#include <pybind11/stl.h>

#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "array_arguments.h"
#include "bindings.h"
#include "freshet/feature_id.h"
#include "freshet/record_writer.h"

namespace freshet::python {
namespace {

struct Slot {
  std::uint16_t number;
  std::size_t most;
  bool keeps_first;
};

/// A string's bytes, which live as long as it does.
std::string_view bytes_of(PyObject* text) {
  Py_ssize_t size = 0;
  const char* const bytes = PyUnicode_AsUTF8AndSize(text, &size);
  if (bytes == nullptr) throw py::error_already_set();
  return {bytes, static_cast<std::size_t>(size)};
}

/// False for a number that does not fit 64 bits.
bool add_integer(PyObject* value, const Slot& slot, RecordWriter& record) {
  int is_beyond = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value, &is_beyond);
  if (is_beyond != 0) return false;
  if (number == -1 && PyErr_Occurred()) throw py::error_already_set();
  record.add(fid_of_integer(number, slot.number));
  return true;
}

/// False where something is no string: the record may have some of the values by then.
bool add_strings(PyObject* values, const Slot& slot, RecordWriter& record) {
  const Py_ssize_t num = PySequence_Fast_GET_SIZE(values);
  PyObject** const items = PySequence_Fast_ITEMS(values);
  for (Py_ssize_t i = 0; i < num; ++i) {
    if (!PyUnicode_CheckExact(items[i])) return false;
  }
  // From the end that is kept, so that no more is hashed than that.
  std::vector<std::string_view> kept;
  kept.reserve(static_cast<std::size_t>(num));
  for (Py_ssize_t i = 0; i < num && kept.size() < slot.most; ++i) {
    const std::string_view text = bytes_of(items[slot.keeps_first ? i : num - 1 - i]);
    if (!text.empty()) kept.push_back(text);
  }
  for (std::size_t i = 0; i < kept.size(); ++i) {
    record.add(fid_of_string(kept[slot.keeps_first ? i : kept.size() - 1 - i], slot.number));
  }
  return true;
}

/// False for a value of a kind that only columns hold.
bool add_value(PyObject* value, const Slot& slot, RecordWriter& record) {
  if (value == Py_None) return true;
  if (PyUnicode_CheckExact(value)) {
    const std::string_view text = bytes_of(value);
    if (!text.empty()) record.add(fid_of_string(text, slot.number));
    return true;
  }
  if (PyLong_CheckExact(value) || PyBool_Check(value)) return add_integer(value, slot, record);
  if (PyList_CheckExact(value) || PyTuple_CheckExact(value)) return add_strings(value, slot, record);
  if (!py::isinstance<py::array>(value)) return false;
  for (const std::uint64_t fid : vector_argument<std::uint64_t>(value, "values")) record.add(fid);
  return true;
}

class RowEncoder {
 public:
  RowEncoder(const std::vector<std::tuple<std::int64_t, std::int64_t, bool>>& slots, std::size_t num_dense)
      : num_dense_(num_dense) {
    for (const auto& [number, most, keeps_first] : slots) {
      if (number < 0 || number > UINT16_MAX)
        throw py::value_error("slot must be 0 to 65535, received " + std::to_string(number));
      if (most < 1 || most > UINT16_MAX)
        throw py::value_error("most must be 1 to 65535, received " + std::to_string(most));
      slots_.push_back({static_cast<std::uint16_t>(number), static_cast<std::size_t>(most), keeps_first});
    }
  }

  /// Holds the interpreter's lock: the values are its objects, and a row takes microseconds.
  py::object encode(const py::sequence& values, const py::object& dense) const {
    const auto numbers = vector_argument<float>(dense, "dense");
    if (numbers.size() != num_dense_) {
      throw py::value_error("dense must have " + std::to_string(num_dense_) + " numbers, received " +
                            std::to_string(numbers.size()));
    }
    const auto given = py::reinterpret_steal<py::object>(PySequence_Fast(values.ptr(), "values"));
    if (!given) throw py::error_already_set();
    if (static_cast<std::size_t>(PySequence_Fast_GET_SIZE(given.ptr())) != slots_.size()) {
      throw py::value_error("values must be of " + std::to_string(slots_.size()) + " slots, received " +
                            std::to_string(PySequence_Fast_GET_SIZE(given.ptr())));
    }
    RecordWriter record(slots_.size(), numbers);
    PyObject** const items = PySequence_Fast_ITEMS(given.ptr());
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (!add_value(items[i], slots_[i], record)) return py::none();
      record.end_slot();
    }
    return take(record.take());
  }

 private:
  std::vector<Slot> slots_;
  std::size_t num_dense_;
};

}  // namespace

void bind_row_encoder(py::module_& module) {
  py::class_<RowEncoder>(module, "RowEncoder",
                         "One row's record from plain values; see freshet/record_writer.h.")
      .def(py::init<const std::vector<std::tuple<std::int64_t, std::int64_t, bool>>&, std::size_t>(),
           py::arg("slots"), py::arg("num_dense"))
      .def("encode", &RowEncoder::encode, py::arg("values"), py::arg("dense"),
           "The record's words, uint64, of a value for each slot: None, a string, a whole number, a list of "
           "strings, or FIDs, uint64 [n]. None where a value is of another kind.");
}

}  // namespace freshet::python
