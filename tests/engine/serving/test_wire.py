from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from engine.errors import InvalidDocument
from engine.serving import codec, generate_wire
from engine.serving.requests import (
    DeploymentStatus,
    ModelPosition,
    ModelStatus,
    RecommendReply,
    RecommendRequest,
    ScoredItem,
    StatusReply,
)


def test_wire_code_regenerated_from_the_source_is_what_is_committed(tmp_path: Path) -> None:
    committed = generate_wire.SERVING / "wire"
    for fresh in generate_wire.generate(tmp_path):
        assert fresh.read_text() == (committed / fresh.name).read_text(), fresh.name


def test_client_imported_alone_loads_neither_tensorflow_nor_numpy() -> None:
    code = (
        "import sys, engine.serving.client; "
        "print(sorted({'tensorflow', 'keras', 'numpy', 'pyarrow', 'engine_cc'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("user_properties", [None, {}, {"country": "de", "age": 41, "score": 0.5, "tags": ["a", "b"]}])
def test_request_sent_over_the_wire_comes_back_the_same(user_properties: dict[str, object] | None) -> None:
    request = RecommendRequest(
        project="shop",
        deployment="main",
        user_id="u-ü",
        k=7,
        context={"device": "phone", "hour": 12},
        exclude=("a", "b"),
        candidates=("c",),
        user_properties=user_properties,
    )
    assert codec.request_from_wire(codec.request_to_wire(request)) == request


@pytest.mark.parametrize("degraded", [None, "", "the catalogue is empty"])
def test_reply_sent_over_the_wire_comes_back_the_same(degraded: str | None) -> None:
    reply = RecommendReply(
        items=[ScoredItem("a", 0.25, "two_tower")],
        models=[ModelPosition("ranking", "ctr", 3, 9, 1.5, 1_700_000_000_000, {0: 12, 3: 2**40})],
        degraded=degraded,
        features_json=orjson.dumps({"user": {"age": 41}, "history": ["x"], "items": {"a": {"price": 1.5}}}),
        took_ms=4.5,
        replica="r-1",
    )
    assert codec.reply_from_wire(codec.reply_to_wire(reply)) == reply


def test_status_sent_over_the_wire_comes_back_the_same() -> None:
    model = ModelStatus(
        role="retrieval",
        name="tt",
        version=1,
        sequence=5,
        trainer_sequence=6,
        age_s=0.5,
        events_through={0: 1},
        examples_through={0: 2},
        num_rows=10,
        num_bytes_applied=11,
        num_rows_applied=12,
        num_deletes_applied=13,
        num_resyncs=1,
        last_error=None,
        digest="00ff",
        table_bytes=2**33,
    )
    status = StatusReply("r-1", 1_700_000_000_000, [DeploymentStatus("shop", "main", [model], 3, 4)])
    assert codec.status_from_wire(codec.status_to_wire(status)) == status


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (RecommendRequest("p", "d", "u", k=-1), "k"),
        (RecommendRequest("p", "d", "u", context={"x": object()}), "context"),
        (RecommendRequest("p", "d", "u", user_properties={"x": {1, 2}}), "user_properties"),
    ],
)
def test_request_that_cannot_be_written_names_its_field(request_: RecommendRequest, field: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        codec.request_to_wire(request_)
    assert [problem.field for problem in caught.value.problems] == [field]
