from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from engine.errors import InvalidDocument
from engine.serving import codec, generate_wire
from engine.serving.requests import (
    Ask,
    CatchUpReply,
    DeploymentStatus,
    ModelPosition,
    ModelStatus,
    Overrides,
    RecommendReply,
    RecommendRequest,
    ScoredItem,
    SessionEvent,
    StatusReply,
)
from engine.serving.wire import replica_pb2 as wire


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


def test_everything_a_request_may_say_comes_back_the_same() -> None:
    request = RecommendRequest(
        project="shop",
        deployment="main",
        user_id="",
        ask=Ask.SIMILAR,
        item_id="tea",
        session=(SessionEvent("click", "jam", 1_700_000_000_000),),
        filter="item.price < $most",
        parameters={"most": 9.5, "topics": ["a"]},
        overrides=Overrides(
            ({"when": "item.new", "multiply": 2.0},), {"kind": "mmr"}, {"kind": "epsilon", "epsilon": 0.1}
        ),
        shown=(0, 2**64 - 1),
        fields=("title", "price"),
        explain=True,
        seed=2**63,
        num_logged=0,
    )
    assert codec.request_from_wire(codec.request_to_wire(request)) == request
    nothing_overridden = replace(request, overrides=Overrides(), seed=0, ask=Ask.RANK)
    assert codec.request_from_wire(codec.request_to_wire(nothing_overridden)) == nothing_overridden


def test_message_of_a_client_that_knows_less_asks_for_a_recommendation_by_the_document() -> None:
    request = codec.request_from_wire(wire.RecommendRequest(project="shop", deployment="main", user_id="u", k=3))
    assert request == RecommendRequest("shop", "main", "u", k=3)


def test_catching_up_sent_over_the_wire_comes_back_the_same() -> None:
    asked = codec.catch_up_to_wire("shop", {0: 7, 1: 2**40}, 1.5)
    assert (asked.project, dict(asked.catalog_offsets), asked.timeout_ms) == ("shop", {0: 7, 1: 2**40}, 1500)
    answered = CatchUpReply(True, {0: 8}, "r-1")
    assert codec.caught_up_from_wire(codec.caught_up_to_wire(answered)) == answered


@pytest.mark.parametrize("in_columns", [False, True])
@pytest.mark.parametrize("degraded", [None, "", "empty_catalogue"])
def test_reply_sent_over_the_wire_comes_back_the_same(degraded: str | None, in_columns: bool) -> None:
    reply = RecommendReply(
        items=[
            ScoredItem("a", 0.25, "two_tower"),
            ScoredItem("b", -1.5, "latest", 0.125, {"title": "Tea", "tags": ["x"]}, "launch"),
            ScoredItem("c", 0.0, "random", 1.0, {}, ""),
        ],
        models=[ModelPosition("ranking", "ctr", 3, 9, 1.5, 1_700_000_000_000, {0: 12, 3: 2**40})],
        degraded=degraded,
        features_json=orjson.dumps({"user": {"age": 41}, "history": ["x"], "items": {"a": {"price": 1.5}}}),
        took_ms=4.5,
        replica="r-1",
        unknown=("nowhere",),
        explanation_json=b'{"stages": []}',
        revision=4,
    )
    assert codec.reply_from_wire(codec.reply_to_wire(reply, in_columns=in_columns)) == reply
    plain = replace(reply, items=[ScoredItem("a", 0.25, "two_tower"), ScoredItem("b", 0.125, "latest")])
    assert codec.reply_from_wire(codec.reply_to_wire(plain, in_columns=in_columns)) == plain
    empty = replace(reply, items=[])
    assert codec.reply_from_wire(codec.reply_to_wire(empty, in_columns=in_columns)) == empty


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
        (RecommendRequest("p", "d", "u", seed=-1), "seed"),
        (RecommendRequest("p", "d", "u", shown=(2**64,)), "shown"),
        (RecommendRequest("p", "d", "u", session=(SessionEvent("click", "a", -1),)), "session"),
    ],
)
def test_request_that_cannot_be_written_names_its_field(request_: RecommendRequest, field: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        codec.request_to_wire(request_)
    assert [problem.field for problem in caught.value.problems] == [field]
