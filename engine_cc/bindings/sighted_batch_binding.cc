#include "array_arguments.h"
#include "bindings.h"
#include "sighted_batch.h"

namespace freshet::python {

void bind_sighted_batch(py::module_& module) {
  py::class_<BoundPlan>(module, "Plan", "What Table.plan found out of a batch of FIDs ahead of its sighting.")
      .def(py::init<>());
  py::class_<BoundBatch>(module, "SightedBatch",
                         "The FIDs of a batch, each once, as Table.sight found them; arrays are views.")
      .def_property_readonly(
          "fids",
          [](const py::object& self) { return view(self.cast<const BoundBatch&>().batch.fids, self); })
      .def_property_readonly(
          "members",
          [](const py::object& self) { return view(self.cast<const BoundBatch&>().batch.members, self); })
      .def_property_readonly("num_unique", [](const BoundBatch& self) { return self.batch.fids.size(); });
}

}  // namespace freshet::python
