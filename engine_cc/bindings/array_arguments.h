#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace freshet::python {

namespace py = pybind11;

/// An argument as a NumPy array of element type T and the given rank, C-contiguous and aligned. TypeError
/// names the argument and the type received, ValueError the rank or layout.
template <typename T>
py::array array_argument(const py::handle& value, const std::string& name, py::ssize_t rank) {
  // Only when it is needed: NumPy takes longer to name a type than to compare two.
  const auto wanted = [&name] {
    return name + " must be a NumPy array of " + std::string(py::str(py::dtype::of<T>())) + ", received ";
  };
  if (!py::isinstance<py::array>(value)) {
    throw py::type_error(wanted() + std::string(py::str(py::type::of(value).attr("__name__"))));
  }
  auto array = py::reinterpret_borrow<py::array>(value);
  if (!array.dtype().equal(py::dtype::of<T>()))
    throw py::type_error(wanted() + std::string(py::str(array.dtype())));
  if (array.ndim() != rank) {
    throw py::value_error(name + " must have " + std::to_string(rank) + " dimension(s), received " +
                          std::to_string(array.ndim()));
  }
  constexpr int wanted_flags = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if ((array.flags() & wanted_flags) != wanted_flags) {
    throw py::value_error(name + " must be C-contiguous and aligned; numpy.ascontiguousarray makes it so");
  }
  return array;
}

template <typename T>
std::span<const T> vector_argument(const py::handle& value, const std::string& name) {
  const py::array array = array_argument<T>(value, name, 1);
  return {static_cast<const T*>(array.data()), static_cast<std::size_t>(array.size())};
}

/// A vector argument, copied; empty for None.
template <typename T>
std::vector<T> optional_vector(const py::object& value, const std::string& name) {
  if (value.is_none()) return {};
  const auto given = vector_argument<T>(value, name);
  return {given.begin(), given.end()};
}

using Shape = std::vector<std::size_t>;

template <typename Extents>
std::string text_of(const Extents& extents, std::size_t rank) {
  std::string text = "(";
  for (std::size_t i = 0; i < rank; ++i) text += (i == 0 ? "" : ", ") + std::to_string(extents[i]);
  return text + ")";
}

/// An argument of exactly this shape.
template <typename T>
py::array shaped_array(const py::handle& value, const std::string& name, const Shape& shape) {
  py::array array = array_argument<T>(value, name, static_cast<py::ssize_t>(shape.size()));
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (static_cast<std::size_t>(array.shape(static_cast<py::ssize_t>(i))) == shape[i]) continue;
    throw py::value_error(name + " must have shape " + text_of(shape, shape.size()) + ", received " +
                          text_of(array.shape(), shape.size()));
  }
  return array;
}

template <typename T>
std::span<const T> matrix_argument(const py::handle& value, const std::string& name, std::size_t rows,
                                   std::size_t columns) {
  const py::array array = shaped_array<T>(value, name, {rows, columns});
  return {static_cast<const T*>(array.data()), rows * columns};
}

template <typename T>
std::span<T> span_of(py::array& array) {
  return {static_cast<T*>(array.mutable_data()), static_cast<std::size_t>(array.size())};
}

/// The caller's `out` of the shape, or a new array for None. ValueError when it is not writeable.
template <typename T>
py::array output_argument(const py::object& value, const std::string& name, const Shape& shape) {
  if (value.is_none()) return py::array_t<T>(shape);
  py::array array = shaped_array<T>(value, name, shape);
  if (!array.writeable()) throw py::value_error(name + " must be writeable");
  return array;
}

/// A NumPy array that owns the vector's memory; nothing is copied.
template <typename T>
py::array_t<T> take(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
  auto owned = std::make_unique<std::vector<T>>(std::move(values));
  T* const data = owned->data();
  const py::capsule owner(owned.get(), [](void* held) { delete static_cast<std::vector<T>*>(held); });
  owned.release();
  return py::array_t<T>(std::move(shape), data, owner);
}

template <typename T>
py::array_t<T> take(std::vector<T>&& values) {
  const auto size = static_cast<py::ssize_t>(values.size());
  return take(std::move(values), {size});
}

/// What a vector holds that `owner` keeps alive and nobody changes, as a NumPy array that may not be written.
template <typename T>
py::array view(const std::vector<T>& values, const py::object& owner) {
  py::array array = py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data(), owner);
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

}  // namespace freshet::python
