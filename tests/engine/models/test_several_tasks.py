"""MMoE's and PLE's experts and gates, written out in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.engine.models.definitions import CLICK, definition_of
from tests.engine.models.written_out import NUM_ROWS, Case, case_of, softmax

TASKS = (CLICK, {"name": "buy", "event_type": "purchase"})


def mixed(weights: Any, experts: list[Any]) -> Any:
    return sum(weight * expert for weight, expert in zip(weights, experts, strict=True))


def tower(case: Case, task: int, values: Any) -> Any:
    return case.layer(f"output_{task}", case.network(f"tower_{task}", 1, values))[0]


def test_mmoe_mixes_shared_experts_for_each_task_by_its_own_gate() -> None:
    case = case_of(definition_of("mmoe", tasks=TASKS))
    expected = []
    for row in range(NUM_ROWS):
        flat = case.flat(row)
        experts = [case.network(f"expert_{index}", 1, flat) for index in range(3)]
        gates = [softmax(case.layer(f"gate_{task}", flat)) for task in range(2)]
        expected.append([tower(case, task, mixed(gates[task], experts)) for task in range(2)])
    case.assert_equals(expected)


def test_ple_extracts_level_by_level_what_tasks_share_and_what_is_their_own() -> None:
    case = case_of(definition_of("ple", tasks=TASKS, num_shared_experts=1, num_task_experts=2, num_levels=2))
    expected = []
    for row in range(NUM_ROWS):
        of_task, shared = [case.flat(row)] * 2, case.flat(row)
        for level in ("level_0", "level_1"):
            common = [case.network(f"{level}_shared_0", 1, shared)]
            own = [
                [case.network(f"{level}_task_{task}_{index}", 1, of_task[task]) for index in range(2)]
                for task in range(2)
            ]
            gates = [softmax(case.layer(f"{level}_gate_task_{task}", of_task[task])) for task in range(2)]
            of_task = [mixed(gates[task], own[task] + common) for task in range(2)]
            if level == "level_0":
                shared = mixed(softmax(case.layer("level_0_gate_shared", shared)), own[0] + own[1] + common)
        expected.append([tower(case, task, of_task[task]) for task in range(2)])
    case.assert_equals(expected)
    assert "level_1_gate_shared/kernel" not in case.weights


def test_an_expert_of_two_layers_is_a_network() -> None:
    case = case_of(definition_of("mmoe", hidden=[5, 4], num_experts=1))
    expected = [[tower(case, 0, case.network("expert_0", 2, case.flat(row)))] for row in range(NUM_ROWS)]
    case.assert_equals(np.array(expected))
