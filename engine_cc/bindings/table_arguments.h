#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

#include "freshet/optimizer.h"
#include "freshet/row_codec.h"
#include "freshet/slot_rules.h"
#include "freshet/table_types.h"

namespace freshet::python {

// Options as Python gives them. Each throws ValueError with the field, its rule and what was received.

Precision precision_argument(const std::string& name);
Evict evict_argument(const std::string& name);

/// From the kind's name and a dict of the fields of `OptimizerOptions`, each a number or (nesterov) a bool. Fields left
/// out keep the header's default.
OptimizerOptions optimizer_argument(const std::string& kind, const pybind11::dict& fields);

/// From tuples (slot, admission, min_count, probability, window_s, ttl_s).
SlotRules rules_argument(const pybind11::sequence& tuples);

}  // namespace freshet::python
