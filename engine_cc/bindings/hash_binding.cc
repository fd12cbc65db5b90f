#include <cstdint>
#include <optional>

#include "array_arguments.h"
#include "bindings.h"
#include "freshet/arrow_hash.h"

namespace freshet::python {
namespace {

std::uint16_t slot_argument(std::int64_t slot) {
  if (slot < 0 || slot > UINT16_MAX) {
    throw py::value_error("slot must be 0 to 65535, received " + std::to_string(slot));
  }
  return static_cast<std::uint16_t>(slot);
}

template <typename Structure>
const Structure& capsule_argument(const py::handle& capsule, const char* name) {
  void* const held = PyCapsule_GetPointer(capsule.ptr(), name);
  if (held == nullptr) throw py::error_already_set();
  return *static_cast<const Structure*>(held);
}

constexpr std::int64_t kWorthUnlocking = 512;

py::array hash_ids(const py::object& values, std::int64_t slot) {
  const std::uint16_t number = slot_argument(slot);
  if (!py::hasattr(values, "__arrow_c_array__")) {
    throw py::type_error("array must be an Arrow array (have __arrow_c_array__), received " +
                         std::string(py::str(py::type::of(values).attr("__name__"))));
  }
  // The two capsules own the structures and release them when this scope ends.
  const py::tuple capsules = values.attr("__arrow_c_array__")();
  if (capsules.size() != 2) throw py::type_error("__arrow_c_array__ must answer a schema and an array");
  const auto& schema = capsule_argument<ArrowSchema>(capsules[0], "arrow_schema");
  const auto& array = capsule_argument<ArrowArray>(capsules[1], "arrow_array");
  py::array fids = py::array_t<std::uint64_t>(array.length);
  const auto out = span_of<std::uint64_t>(fids);
  // A few ids, as one user's history, are hashed sooner than the interpreter's lock comes back.
  std::optional<py::gil_scoped_release> unlocked;
  if (array.length >= kWorthUnlocking) unlocked.emplace();
  hash_arrow_array(schema, array, number, out);
  unlocked.reset();
  return fids;
}

}  // namespace

void bind_hashing(py::module_& module) {
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const UnsupportedArrowType& error) {
      py::set_error(PyExc_TypeError, error.what());
    }
  });
  module.def("hash_ids", &hash_ids, py::arg("array"), py::arg("slot"),
             "FIDs of an Arrow array's values in a slot, uint64 [n]; 0 where the value is null.");
}

}  // namespace freshet::python
