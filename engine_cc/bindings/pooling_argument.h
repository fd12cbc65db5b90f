#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "freshet/pooling.h"

namespace freshet::python {

/// A kind of pooling by its name. ValueError for another.
inline Pooling pooling_argument(const std::string& name) {
  if (name == "sum") return Pooling::kSum;
  if (name == "mean") return Pooling::kMean;
  if (name == "sqrtn") return Pooling::kSqrtn;
  if (name == "first_n") return Pooling::kFirstN;
  throw pybind11::value_error("pooling must be sum, mean, sqrtn or first_n, received " + name);
}

}  // namespace freshet::python
