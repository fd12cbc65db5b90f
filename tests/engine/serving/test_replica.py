from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.checkpoint.folder import newest_folder
from engine.checkpoint.snapshot import write_snapshot
from engine.errors import ReplicaUnavailable
from engine.serving.deployment import DeploymentSpec, ModelRef
from engine.serving.hosted_project import HostedProject
from engine.serving.replica import Replica
from engine.serving.requests import RecommendRequest
from engine.serving.served_model import ServedModel
from engine.spec.candidates import Candidates, CoOccurrence
from engine.streams import topics
from engine.sync.delta import TrainedThrough
from engine.sync.snapshot import SnapshotMeta

Pointing = Callable[[float], list[float]]


def write_snapshot_of(shop: Any, model: Any) -> None:
    directory = shop.directory / "models" / "shop" / model.ref.name / f"v{model.ref.version}" / "snapshots"
    meta = SnapshotMeta(
        sequence=model.publisher.sequence,
        params_offset=model.publisher.next_offset,
        trained_through=TrainedThrough(events={0: 77}),
    )
    write_snapshot(directory, model.store, model.weights, meta, int(shop.now_s * 1000))


def test_status_says_where_every_model_stands(shop: Any, retrieving: Any) -> None:
    shop.write_user("u", country="de")
    shop.poll()
    status = shop.replica.status()
    assert (status.replica, status.started_ms) == ("r-1", 1_000_000)
    (deployment,) = status.deployments
    assert (deployment.project, deployment.name) == ("shop", "main")
    assert (deployment.num_items, deployment.num_users) == (5, 1)
    (model,) = deployment.models
    assert (model.role, model.name, model.version) == ("retrieval", "near", 1)
    assert (model.sequence, model.trainer_sequence) == (2, 2)
    assert (model.num_rows, model.num_rows_applied, model.num_deletes_applied, model.num_resyncs) == (6, 6, 0, 0)
    assert (model.events_through, model.last_error) == ({0: 1}, None)
    assert model.digest == f"{retrieving.store.digest():016x}"
    assert model.num_bytes_applied > 0 < model.table_bytes


def test_digest_it_reports_is_the_trainers_after_each_delta(shop: Any, retrieving: Any, pointing: Pointing) -> None:
    digests = []
    for degrees in (33, 34):
        retrieving.set_row("user", "u", pointing(degrees))
        retrieving.publish()
        shop.poll()
        digests.append(str(shop.replica.status().deployments[0].models[0].digest))
        assert digests[-1] == f"{retrieving.store.digest():016x}"
    assert digests[0] != digests[1]


def test_replica_started_anew_comes_up_from_the_snapshot_when_old_deltas_are_gone(
    shop: Any, retrieving: Any, pointing: Pointing
) -> None:
    write_snapshot_of(shop, retrieving)
    retrieving.set_row("user", "u", pointing(80))
    retrieving.publish(events_through=78)
    retrieving.publisher.trim_before(2)
    fresh = Replica(shop.log, shop.directory, name="r-2", clock=lambda: shop.now_s)
    shop.replica = fresh
    shop.deploy(retrieving)
    reply = shop.recommend(k=1)
    assert [item.item_id for item in reply.items] == ["i4"]
    assert [(model.sequence, model.events_through) for model in reply.models] == [(3, {0: 78})]
    assert reply.degraded is None


def test_gap_is_closed_by_the_next_snapshot_and_every_vector_renewed(
    shop: Any, retrieving: Any, pointing: Pointing
) -> None:
    retrieving.set_row("item", "i4", pointing(0.5))
    retrieving.publish()
    shop.log._topics[topics.params("shop", "near", 1)][0].records.pop()
    retrieving.set_row("user", "u", pointing(1))
    retrieving.publish()
    shop.poll()
    assert shop.recommend().degraded is not None
    write_snapshot_of(shop, retrieving)
    shop.poll()
    reply = shop.recommend(k=2)
    assert reply.degraded is None
    assert {item.item_id for item in reply.items} == {"i4", "i0"}
    assert shop.replica.status().deployments[0].models[0].num_resyncs == 1


def test_new_version_takes_over_only_when_it_can_answer(shop: Any, retrieving: Any, pointing: Pointing) -> None:
    second = shop.retrieval_model(version=2)
    second.set_row("user", "u", pointing(80))
    for number in range(5):
        second.set_row("item", f"i{number}", pointing(20 * number))
    second.publish(dense=True)
    shop.deploy(second)
    reply = shop.recommend(k=1)
    assert [item.item_id for item in reply.items] == ["i4"]
    assert [model.version for model in reply.models] == [2]
    assert len(shop.replica._projects["shop"]._retrieval) == 1


def test_deployments_of_one_version_share_its_parameters(shop: Any, retrieving: Any) -> None:
    shop.deploy(retrieving, name="other")
    (first, second) = shop.replica.status().deployments
    assert (first.name, second.name) == ("main", "other")
    assert len(shop.replica._projects["shop"]._retrieval) == 1


def test_withdrawn_deployment_is_unavailable_and_its_memory_free(shop: Any, retrieving: Any) -> None:
    shop.deploy(retrieving, name="other")
    shop.replica.withdraw("shop", "main")
    with pytest.raises(ReplicaUnavailable):
        shop.recommend()
    assert [spec.name for spec in shop.replica.deployments()] == ["other"]
    shop.replica.withdraw("shop", "other")
    shop.replica.withdraw("shop", "other")
    assert (shop.replica.deployments(), shop.replica._projects) == ([], {})


def test_schema_with_a_longer_history_reads_the_events_again(shop: Any) -> None:
    shop.write("a", "b")
    for item_id in ("a", "b", "a", "x", "y", "z"):
        shop.click("u", item_id)
    shop.deploy()
    spec = shop.replica.deployments()[0]
    longer = spec.schema.model_copy(update={"history_length": 5})
    shop.replica.deploy(DeploymentSpec(spec.project, "long", longer))
    replies = {
        name: shop.replica.recommend(RecommendRequest("shop", name, "u", candidates=("a", "b")))
        for name in ("main", "long")
    }
    assert replies["main"].features["history"] == ["x", "y", "z"]
    assert replies["long"].features["history"] == ["b", "a", "x", "y", "z"]
    assert dict(shop.replica._projects["shop"].state.live.trending_1h.top(1)) == pytest.approx({"a": 2.0}, rel=1e-3)


def test_schema_with_other_candidates_counts_what_goes_together_anew(shop: Any) -> None:
    shop.write("cup", "saucer")
    for user_id in ("a", "b"):
        shop.click(user_id, "cup")
        shop.now_s += 60.0
        shop.click(user_id, "saucer")
    shop.click("u", "cup")
    shop.deploy()
    assert [item.source for item in shop.recommend("u").items] == ["item_to_item"]
    spec = shop.replica.deployments()[0]
    soon = Candidates(item_to_item=CoOccurrence(max_gap_s=30.0))
    shop.replica.deploy(DeploymentSpec(spec.project, "main", spec.schema.model_copy(update={"candidates": soon})))
    # a minute apart is too far now; what is trending was told again, once
    assert [item.source for item in shop.recommend("u").items] == ["trending_1h"]
    assert dict(shop.replica._projects["shop"].state.live.trending_1h.top(2)) == pytest.approx(
        {"cup": 3.0, "saucer": 2.0}, rel=0.05
    )


def test_project_whose_topics_do_not_exist_yet_is_followed_from_their_first_record(tmp_path: Any, shop: Any) -> None:
    log = type(shop.log)()
    replica = Replica(log, tmp_path, clock=lambda: 0.0)
    shop.deploy()
    spec = shop.replica.deployments()[0]
    replica.deploy(spec)
    assert replica.status().deployments[0].num_items == 0
    log.create_topic(topics.catalog("shop"), 3)
    shop.log, shop.replica = log, replica
    shop.write("a", "b", "c", "d")
    shop.poll()
    assert replica.status().deployments[0].num_items == 4


def test_following_goes_on_while_another_deployment_is_built(
    shop: Any, retrieving: Any, pointing: Pointing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new item and a new row arrive while the second model is being compiled: both deployments get both."""
    second = shop.retrieval_model("second")
    second.set_row("user", "u", pointing(80))
    for number in range(5):
        second.set_row("item", f"i{number}", pointing(20 * number))
    second.publish(dense=True)
    build = HostedProject._model
    polled = []

    def build_slowly(self: HostedProject, ref: ModelRef) -> ServedModel:
        built = build(self, ref)
        shop.write("late")
        retrieving.set_row("item", "late", pointing(0))
        retrieving.publish()
        second.set_row("item", "late", pointing(80))
        second.publish()
        loop = threading.Thread(target=lambda: polled.append(shop.replica.poll()))
        loop.start()
        loop.join(timeout=10)
        assert polled, "a poll waits for the deployment"
        assert "late" in shop.items(k=6)
        return built

    monkeypatch.setattr(HostedProject, "_model", build_slowly)
    shop.deploy(second, name="other")
    monkeypatch.undo()
    shop.poll()
    for name in ("main", "other"):
        answer = shop.replica.recommend(RecommendRequest("shop", name, "u", k=6))
        assert "late" in [item.item_id for item in answer.items]


def test_item_deleted_while_a_deployment_is_built_is_not_answered_by_it(
    shop: Any, retrieving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up = HostedProject._catch_up

    def delete_meanwhile(self: HostedProject, stage: Any) -> None:
        catch_up(self, stage)
        shop.delete("i0")
        shop.replica.poll()

    monkeypatch.setattr(HostedProject, "_catch_up", delete_meanwhile)
    second = shop.retrieval_model("second")
    second.set_row("item", "i0", [1.0, 0.0])
    second.publish(dense=True)
    shop.deploy(second, name="other")
    stage = shop.replica._projects["shop"]._retrieval["retrieval", "second", 1]
    assert stage.vectors.index.num_vectors == shop.replica._projects["shop"].state.catalogue.num_items
    assert len(stage.vectors.index.search(np.array([1, 0], np.float32), 100)) == stage.vectors.index.num_vectors


def test_snapshot_replaces_rows_and_weights_as_one(shop: Any, retrieving: Any, pointing: Pointing) -> None:
    """Whoever looks between two statements of the swap finds a pair that belongs together."""
    predictor = shop.replica._projects["shop"]._retrieval["retrieval", "near", 1].model.predictor
    before, pairs = predictor._parameters, []
    type_of = type(predictor)

    class Watched(type_of):  # type: ignore[misc, valid-type]
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            pairs.append(self._parameters)

    predictor.__class__ = Watched
    retrieving.weights["user_output/kernel"] = np.zeros((2, 2), np.float32)
    write_snapshot_of(shop, retrieving)
    retrieving.publisher.publish_snapshot(
        newest_folder(shop.directory / "models" / "shop" / "near" / "v1" / "snapshots"), TrainedThrough()
    )
    shop.poll()
    assert predictor.dense_weights()["user_output/kernel"].sum() == 0
    assert predictor.store is not before.store
    assert all((each.store is before.store) == (each.weights is before.weights) for each in pairs)
