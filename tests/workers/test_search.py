"""A search under its lease: real trials over real examples, interrupted and gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import Interrupted
from engine.streams.log import EventLog
from tests.engine.training.made import append_examples, make_definition, make_examples
from tests.engine.training.test_parquet_examples import rows_of
from webapp.accounts.models import Project
from webapp.long_jobs.services import long_jobs_end_unwanted
from webapp.registry.models import Model, ModelVersion
from webapp.training import search_services as services
from webapp.training.search_models import Search, Trial
from workers import retention
from workers.leases import HeldLease, held
from workers.tasks.search import NO_EXAMPLES, SearchWork, search

pytestmark = pytest.mark.django_db(transaction=True)
"""A lease is renewed by a thread, which sees what was committed."""

VARIES: list[dict[str, Any]] = [
    {"kind": "log_range", "path": "sparse_optimizer.learning_rate", "low": 0.001, "high": 1.0},
    {"kind": "choice", "path": "architecture.hidden", "values": [[8], [4, 4]]},
]


@pytest.fixture
def found(project: Project, log: EventLog, monkeypatch: pytest.MonkeyPatch) -> Search:
    """A search of three trials; no message is sent."""
    monkeypatch.setattr("webapp.core.jobs.send", lambda *_, **__: None)
    # what a schema declares has no part in this
    monkeypatch.setattr(services, "_check", lambda *_: None)
    model = Model.objects.create(project=project, name="m")
    version = ModelVersion.objects.create(model=model, version=1, document=make_definition("deepfm").as_json())
    append_examples(log, project.slug, make_examples(64 * 6, origin="impression"))
    return services.search_start(model_version=version, settings={"varies": VARIES, "num_trials": 3, "prunes": False})


def trials(found: Search) -> list[tuple[int, str, float | None, dict[str, Any]]]:
    return [(each.number, each.state, each.value, each.params) for each in found.trials.order_by("number")]


def test_search_tries_as_often_as_it_was_asked_and_notes_what_came_of_each(found: Search) -> None:
    search(found.pk)
    found.refresh_from_db()
    assert (found.state, found.wanted, found.error) == ("succeeded", False, "")
    assert [(number, state) for number, state, _, _ in trials(found)] == [(number, "complete") for number in range(3)]
    assert all(value is not None and 0 < value < 1 for _, _, value, _ in trials(found))
    assert found.plan["splits"] == {"0": 346} and found.plan["ends"] == {"0": 384}
    assert all(each.rungs for each in found.trials.all())
    search(found.pk)  # a message that comes late changes nothing
    assert found.trials.count() == 3


def test_killed_search_goes_on_with_the_trial_it_was_at_and_ends_alike(
    found: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(found.pk)
    whole = trials(found)
    Trial.objects.all().delete()
    Search.objects.update(state="queued", wanted=True)

    class Killed(BaseException):
        """Stands for kill -9."""

    rungs = iter(range(100))

    def dies(**told: Any) -> None:
        if next(rungs) == 5:
            raise Killed

    monkeypatch.setattr(services, "trial_note_rung", dies)
    with pytest.raises(Killed):
        search(found.pk)
    monkeypatch.undo()
    found.refresh_from_db()
    assert (found.state, found.wanted) == ("running", True)
    assert [state for _, state, _, _ in trials(found)][-1] == "running"
    search(found.pk)
    assert trials(found) == whole


def test_search_that_is_stopped_ends_at_once(found: Search) -> None:
    with held(found.lease_name) as lease:
        assert isinstance(lease, HeldLease)
        work = SearchWork(found, lease, lambda: False)
        services.search_stop(search=found)  # somebody holds it: it is asked to stop
        assert Search.objects.get().state == "queued"
        with pytest.raises(Interrupted):
            work.run()
    assert long_jobs_end_unwanted(model=Search) == 1
    assert Search.objects.get().state == "stopped"
    assert not found.trials.exclude(state="running").exists()


def test_values_that_do_not_go_together_fail_their_trial_alone(found: Search) -> None:
    found.settings["varies"] = [{"kind": "choice", "path": "architecture.hidden", "values": [["wide"]]}]
    found.settings["num_trials"] = 1
    found.save()
    search(found.pk)
    found.refresh_from_db()
    (trial,) = found.trials.all()
    assert (found.state, trial.state) == ("succeeded", "failed")
    assert "architecture" in trial.error


def test_search_without_examples_says_so(found: Search, log: EventLog, project: Project) -> None:
    log.trim(f"{project.slug}.examples", 0, 384)
    search(found.pk)
    found.refresh_from_db()
    assert (found.state, found.error) == ("failed", NO_EXAMPLES)


def test_examples_stay_while_a_search_wants_them(found: Search, project: Project) -> None:
    assert retention._trained(project) == {}


def again(found: Search, **settings: Any) -> Search:
    found.settings |= settings
    found.save()
    search(found.pk)
    found.refresh_from_db()
    return found


def test_trials_honour_early_stopping_and_tell_of_each_epoch(found: Search) -> None:
    document = found.model_version.document
    document["training"]["early_stopping"] = {"patience": 1, "max_epochs": 3}
    found.model_version.save()
    again(found, num_trials=2)
    for trial in found.trials.all():
        epochs = trial.details["epochs"]
        assert 1 <= len(epochs) <= 3
        assert trial.rungs == {str(number): value for number, value in enumerate(epochs)}
        assert trial.value in epochs


def test_a_trial_of_several_seeds_is_judged_by_their_mean(found: Search) -> None:
    again(found, num_trials=1, num_seeds=2)
    (trial,) = found.trials.all()
    first, second = trial.details["seeds"]
    assert first != second
    assert trial.value == pytest.approx((first + second) / 2)


def test_no_trial_begins_after_the_time_that_a_search_has(found: Search) -> None:
    again(found, max_minutes=1e-9)
    assert (found.state, found.trials.count()) == ("succeeded", 0)


def test_a_search_over_a_file_learns_from_it_alone(found: Search, log: EventLog, tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    (tmp_path / "files").mkdir()
    rows = rows_of(make_examples(64 * 6, origin="impression"))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "files" / "examples.parquet")
    search(found.pk)
    of_log = [value for _, _, value, _ in trials(found)]
    Trial.objects.all().delete()
    log.trim(f"{found.project.slug}.examples", 0, 384)
    Search.objects.update(state="queued", wanted=True, plan={})
    found.refresh_from_db()
    again(found, input_file="examples.parquet")
    assert [value for _, _, value, _ in trials(found)] == of_log
    Search.objects.update(state="queued", wanted=True)
    found.refresh_from_db()
    again(found, input_file="nothing.parquet")
    assert found.state == "failed" and "must be a file" in found.error
