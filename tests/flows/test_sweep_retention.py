"""The sweep, end to end: real Prefect, real Postgres, a real S3 server, killed processes."""

import functools
import json
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterState,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_runs import pause_flow_run

from flows.sweep_retention import sweep_retention
from schema.errors.base import ClockSkew
from schema.errors.deletion import SweepIncomplete, SweepNotApproved
from schema.errors.storage import UnprovenBucket
from schema.states import UserTier
from tasks.resources import storage
from tasks.sweep.planning import BACK
from tasks.sweep.sweep_retention import OVERDUE_EVENT, sole_sweep
from tests.support.faulty_bucket import answered, calling_before, refused
from tests.support.sweeping import DAY, is_in_bucket

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]

sweep_for_real = functools.partial(sweep_retention, dry_run=False, max_share_percent=100.0)


@pytest.fixture
def events(monkeypatch):
    """Collect emitted events, except Prefect's own."""
    emitted = []
    monkeypatch.setattr(
        "tasks.sweep.sweep_retention.emit_event",
        lambda event, **facts: emitted.append((event, facts["payload"])),
    )
    return emitted


def newest_artifact(key="sweep-retention"):
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        )
    return max(artifacts, key=lambda artifact: artifact.created).data


def test_a_dry_run_deletes_nothing_and_a_real_one_what_is_due(record, stored, entries):
    due = record()
    without_end = record(due_for=50 * DAY, audio_retention_expires_at=None)
    others = [record(due_for=-timedelta(days=n)) for n in range(1, 10)]
    assert sweep_retention().objects == 0
    assert stored(due).audio_url
    assert not stored(without_end).audio_retention_expires_at
    assert "1 of 11 objects is due" in newest_artifact()
    report = sweep_retention(dry_run=False)
    assert (report.deleted, report.expiries_set) == ({UserTier.FREE: 1}, 1)
    assert not is_in_bucket(stored(due).audio_storage_key)
    assert all(is_in_bucket(stored(other).audio_storage_key) for other in [*others, without_end])
    assert stored(without_end).audio_retention_expires_at  # and so the next sweep will find it
    assert entries() == [("retention", "deleted", due)]
    summary = newest_artifact()
    assert "| free | 1 | " in summary
    assert "| given a missing expiry date | 1 |" in summary
    assert "audio/" not in summary


# The runaway guard


@pytest.fixture
def quick_pause(monkeypatch):
    """Poll for an answer every second."""
    quick = functools.partial(pause_flow_run, poll_interval=1)
    monkeypatch.setattr("flows.sweep_retention.pause_flow_run", quick)


@pytest.fixture
def nobody_answers(quick_pause, monkeypatch):
    """Limit a run's waiting time to one second."""
    monkeypatch.setattr("flows.sweep_retention.APPROVAL_HOURS", 1 / 3600)


class Person:
    """Answers a paused run as a person does in the Prefect UI."""

    def answers(self, plan=None, *, first=lambda: None):
        """Call `first`, then answer with a plan's number, by default the one shown."""
        self._thread = threading.Thread(target=self._answer, args=(plan, first), daemon=True)
        self._thread.start()

    def _answer(self, plan, first):
        with get_client(sync_client=True) as client:
            run, self.shown = wait_for(lambda: self._form(client))
            first()
            number = plan or self.shown.split("plan's number `")[1].split("`")[0]
            client.resume_flow_run(run.id, run_input={"plan": number, "approved_by": "Mori"})

    def _form(self, client):
        """Return the paused run and its artifact; None while there is none."""
        waiting = FlowRunFilter(state=FlowRunFilterState(type={"any_": [StateType.PAUSED]}))
        for run in client.read_flow_runs(flow_run_filter=waiting):
            with suppress(PrefectHTTPStatusError):  # it pauses before it writes the form
                keyset = run.state.state_details.run_input_keyset
                return run, json.loads(client.read_flow_run_input(run.id, keyset["description"]))
        return None


def wait_for(look, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
    return found


@pytest.fixture
def person(quick_pause):
    return Person()


def test_a_person_who_enters_the_plans_number_lets_it_go_on(record, person, stored):
    ids = [record() for _ in range(3)]
    person.answers()
    assert sweep_retention(dry_run=False).objects == 3
    assert "3 of 3 objects are due, 100.0 %" in person.shown
    assert re.search(r"Took \d+ s, and waited [\d.]+ minutes for approval\.", newest_artifact())
    assert not any(is_in_bucket(stored(id_).audio_storage_key) for id_ in ids)


def test_the_number_of_another_plan_deletes_nothing(record, person, stored, entries):
    message_id = record()
    person.answers("0123456789ab")
    with pytest.raises(SweepNotApproved, match="another plan"):
        sweep_retention(dry_run=False)
    assert is_in_bucket(stored(message_id).audio_storage_key)
    assert stored(message_id).audio_url
    assert entries() == []


def test_a_plan_that_changed_while_it_waited_deletes_nothing(record, person, stored, entries):
    message_id = record()
    person.answers(first=record)
    with pytest.raises(SweepNotApproved, match="the plan changed"):
        sweep_retention(dry_run=False)
    assert is_in_bucket(stored(message_id).audio_storage_key)
    assert entries() == []


def test_without_an_answer_nothing_is_deleted_and_the_run_has_failed(
    record, stored, entries, events, nobody_answers
):
    message_id, _ = record(due_for=4 * DAY), record(due_for=-DAY)
    state = sweep_retention(
        dry_run=False, max_share_percent=100.0, max_objects=0, return_state=True
    )
    assert state.is_failed()
    assert "nobody answered" in state.message
    assert "max_objects = 0" in state.message
    assert is_in_bucket(stored(message_id).audio_storage_key)
    assert entries() == []
    assert [payload["overdue"] for _, payload in events] == [1]  # not deleting raises an alarm too


# Failures


def test_a_run_with_failed_deletions_fails_after_everything_else_is_done(
    record, stored, events, faulty_bucket
):
    late, *others = (record(due_for=days * DAY) for days in (5, 2, 1))
    without_end = record(audio_retention_expires_at=None)
    faulty_bucket.on("DeleteObjects", refused({stored(late).audio_storage_key}))
    with pytest.raises(SweepIncomplete, match="1 deletion, and 1 recording is more than"):
        sweep_for_real(page_size=1)
    assert all(stored(message_id).audio_deleted_at for message_id in others)
    assert stored(without_end).audio_retention_expires_at
    summary = newest_artifact()
    assert "| AccessDenied | 1 |" in summary
    assert "1 object is still due" in summary
    assert [payload["overdue"] for _, payload in events] == [1]


def test_a_failing_bucket_fails_the_run_after_its_summary(record, stored, faulty_bucket):
    ids = [record() for _ in range(3)]
    without_end = record(audio_retention_expires_at=None)
    faulty_bucket.on("DeleteObjects", answered(503, "SlowDown"))
    with pytest.raises(SweepIncomplete, match="stopped early"):
        sweep_for_real(page_size=1)
    assert faulty_bucket.count("DeleteObjects") == 5  # tries of one page
    assert "**The sweep stopped early.**" in newest_artifact()
    assert stored(without_end).audio_retention_expires_at
    faulty_bucket.heal()
    assert sweep_for_real().objects == len(ids) + 1


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_wrong_bucket_marks_nothing_and_only_a_real_sweep_raises_the_alarm(
    record, stored, entries, events, monkeypatch, dry_run
):
    message_id = record(due_for=4 * DAY)
    monkeypatch.setenv("TIGRIS_BUCKET_NAME", f"another-bucket-{dry_run}".lower())
    storage.bucket.cache_clear()
    storage.bucket().create_with_marker()  # another environment's
    with pytest.raises(UnprovenBucket):
        sweep_for_real(dry_run=dry_run)
    assert stored(message_id).audio_url
    assert not stored(message_id).audio_deleted_at
    assert entries() == []
    assert [event for event, _ in events] == ([] if dry_run else [OVERDUE_EVENT])


def test_a_dry_run_alerts_nobody_of_overdue_audio(record, events):
    record(due_for=4 * DAY)
    sweep_retention(grace_days=0)
    assert events == []
    assert "**1 is more than 3 days overdue.**" in newest_artifact()


def test_a_clock_that_is_off_deletes_nothing(record, stored, now, monkeypatch):
    message_id = record()
    monkeypatch.setattr("flows.sweep_retention.utc_now", lambda: now + timedelta(seconds=90))
    with pytest.raises(ClockSkew):
        sweep_for_real()
    assert stored(message_id).audio_url
    assert is_in_bucket(stored(message_id).audio_storage_key)


# One at a time; stopped in the middle


def test_a_second_sweep_has_nothing_to_do_and_one_after_a_failed_one_has(
    record, stored, nobody_answers
):
    message_id = record()
    with sole_sweep():
        assert sweep_for_real().objects == 0
    assert stored(message_id).audio_url
    with pytest.raises(SweepNotApproved):
        sweep_for_real(max_objects=0)
    assert sweep_for_real().objects == 1


RUN = """
from flows.sweep_retention import sweep_retention

if __name__ == "__main__":
    sweep_retention(dry_run=False, max_share_percent=100.0, page_size=2)
"""


@pytest.mark.slow
def test_a_cancelled_run_stops_within_a_page_and_the_next_one_converges(
    record, stored, entries, faulty_bucket
):
    ids = [record(due_for=(9 - number) * DAY) for number in range(6)]
    run = subprocess.Popen([sys.executable, "-c", RUN])
    second_page = stored(ids[2]).audio_storage_key
    faulty_bucket.on(
        lambda request: second_page in request.deleted_keys,
        calling_before(lambda _: (run.terminate(), time.sleep(0.5))),  # let the signal arrive
        times=1,
    )
    run.wait(timeout=120)
    assert run.returncode != 0
    deleted = [stored(message_id).audio_deleted_at is not None for message_id in ids]
    assert deleted[:2] == [True, True]
    assert deleted[4:] == [False, False]
    requested = [key for request in faulty_bucket.requests for key in request.deleted_keys]
    assert stored(ids[4]).audio_storage_key not in requested
    report = sweep_for_real()
    assert report.objects == deleted.count(False)
    assert sorted(entries()) == sorted(("retention", "deleted", id_) for id_ in ids)


def test_new_data_of_an_erased_learner_is_reported_and_only_the_plan_is_deleted(
    record, stored, run_sql, events
):
    back = record(due_for=-DAY)
    record(UserTier.GUEST, due_for=-DAY)
    run_sql(
        "INSERT INTO audio_ops.erased_learner (user_id, reason)"
        " SELECT user_id, 'request 7' FROM conversations WHERE id = :id",
        id=stored(back).conversation_id,
    )
    with pytest.raises(SweepIncomplete):
        sweep_for_real()
    assert is_in_bucket(stored(back).audio_storage_key)
    assert [payload["kept"] for event, payload in events] == [{BACK: 1}]


def test_a_dry_run_keeps_no_real_one_from_its_work(record):
    with sole_sweep() as alone:
        assert alone
        record()
        assert sweep_retention().kept == {}
    assert sweep_for_real().objects == 1
