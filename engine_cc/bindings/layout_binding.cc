#include <cstdint>
#include <vector>

#include "array_arguments.h"
#include "bindings.h"
#include "freshet/bag_layout.h"

namespace freshet::python {
namespace {

/// The slots of one group, which are pooled together, with when each row was seen.
struct Group {
  std::vector<SlotColumn> slots;
  std::span<const std::uint32_t> seen_at_s;
  std::size_t num_values = 0;
  std::size_t num_bags = 0;
};

/// `given` is (fids of each slot, offsets of each slot, slot numbers, seen_at_s or None).
Group group_argument(const py::handle& given, bool asks_when) {
  const auto parts = py::cast<py::tuple>(given);
  if (parts.size() != 4)
    throw py::value_error("a group must have 4 parts, received " + std::to_string(parts.size()));
  const auto fids = py::cast<py::sequence>(parts[0]);
  const auto offsets = py::cast<py::sequence>(parts[1]);
  const auto numbers = vector_argument<std::uint16_t>(parts[2], "numbers");
  if (fids.size() != numbers.size() || offsets.size() != numbers.size()) {
    throw py::value_error("a group must have fids, offsets and a number for each slot");
  }
  Group group;
  group.slots.reserve(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const py::object values = fids[i];  // kept by the caller's sequence
    const py::object bounds = offsets[i];
    group.slots.push_back({vector_argument<std::uint64_t>(values, "fids"),
                           vector_argument<std::int32_t>(bounds, "offsets"), numbers[i]});
    group.num_values += group.slots.back().fids.size();
  }
  if (asks_when) group.seen_at_s = vector_argument<std::uint32_t>(parts[3], "seen_at_s");
  check_layout(group.slots, group.seen_at_s);
  const std::size_t num_rows = group.slots[0].offsets.size() - 1;
  if (asks_when && group.seen_at_s.size() != num_rows) {
    throw py::value_error("seen_at_s must have one element for each of " + std::to_string(num_rows) +
                          " rows, received " + std::to_string(group.seen_at_s.size()));
  }
  group.num_bags = num_rows * group.slots.size();
  return group;
}

py::tuple lay_out_groups(const py::sequence& given, bool asks_when) {
  std::vector<Group> groups;
  std::size_t num_values = 0;
  for (const py::handle& each : given) {
    groups.push_back(group_argument(each, asks_when));
    num_values += groups.back().num_values;
  }
  py::array_t<std::uint64_t> fids(static_cast<py::ssize_t>(num_values));
  py::array_t<std::uint16_t> slots(static_cast<py::ssize_t>(num_values));
  py::array_t<std::uint32_t> seen_at_s(static_cast<py::ssize_t>(asks_when ? num_values : 0));
  py::list splits;
  std::vector<LaidOut> targets;
  std::size_t start = 0;
  for (const Group& group : groups) {
    py::array_t<std::int64_t> bounds(static_cast<py::ssize_t>(group.num_bags + 1));
    targets.push_back({fids.mutable_data() + start, slots.mutable_data() + start,
                       asks_when ? seen_at_s.mutable_data() + start : nullptr, bounds.mutable_data()});
    splits.append(bounds);
    start += group.num_values;
  }
  {
    const py::gil_scoped_release unlocked;
    for (std::size_t i = 0; i < groups.size(); ++i) lay_out(groups[i].slots, groups[i].seen_at_s, targets[i]);
  }
  return py::make_tuple(fids, slots, seen_at_s, splits);
}

}  // namespace

void bind_layout(py::module_& module) {
  module.def("lay_out", &lay_out_groups, py::arg("groups"), py::arg("asks_when"),
             "Values of several groups of slots row by row, one group after the other: fids, slots, "
             "seen_at_s and the splits "
             "of each group; see freshet/bag_layout.h.");
}

}  // namespace freshet::python
