"""The refresh under Prefect: its artifacts, its errors, what it never shows."""

import logging
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)

from flows import refresh_signed_urls as flow_module
from flows.refresh_signed_urls import refresh_signed_urls
from schema.clock import utc_now
from schema.errors.base import ChunksBroken, ClockSkew
from schema.errors.storage import UrlRefused
from schema.facts.urls import UrlReport
from tasks import refresh_signed_urls as tasks
from tasks.resources import storage

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]

NEW = {"audio": None, "audio_url": None, "audio_retention_expires_at": None}
SAID = "My cat is called Mochi"


@pytest.fixture
def run_id():
    """Run the flow in this test and return its state and its run's id."""

    def _run(**parameters):
        state = refresh_signed_urls(return_state=True, **parameters)
        return state, state.state_details.flow_run_id

    return _run


@pytest.fixture
def urls(engine):
    """Read all URLs."""

    def _urls():
        with engine.connect() as connection:
            rows = connection.execute(
                sa.text("SELECT audio_url FROM messages WHERE audio_url IS NOT NULL")
            )
            return list(rows.scalars())

    return _urls


def artifacts(flow_run_id):
    """Read a run's artifacts, by key."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]))
        )
    return {artifact.key: artifact for artifact in found}


def ended_task_runs(flow_run_id):
    """Read a run's task runs after the server has recorded, with a delay, the end of the span's."""
    this_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    deadline = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            task_runs = client.read_task_runs(flow_run_filter=this_run)
            if any(run.name == "refresh-span-1" and run.state.is_final() for run in task_runs):
                return task_runs
            time.sleep(0.2)
    pytest.fail("the server recorded no end of refresh-span-1")


def test_missing_urls_are_signed_and_the_artifact_counts_them(record, run_id, urls):
    for _ in range(3):
        record(**NEW)
    record(**NEW, audio_storage_key="elsewhere/a.wav")
    state, flow_run_id = run_id()
    assert state.is_completed()
    assert state.result() == UrlReport(signed=3, refused=1)
    assert len(urls()) == 3
    shown = artifacts(flow_run_id)["refresh-signed-urls"].data
    assert "| Signed | 3 |" in shown
    assert "**1 key is refused**" in shown


def test_nothing_to_do_is_done(run_id):
    assert run_id()[0].result() == UrlReport()


def test_a_limit_goes_for_all_spans_together(record, run_id, urls, monkeypatch):
    monkeypatch.setattr(tasks, "PAGES_PER_SPAN", 1)
    for _ in range(5):
        record(**NEW)
    assert run_id(page_size=2, limit=3)[0].result().signed == 3
    assert len(urls()) == 3


def test_a_failed_span_does_not_affect_the_urls_of_others(
    record, run_id, urls, engine, monkeypatch
):
    monkeypatch.setattr(tasks, "PAGES_PER_SPAN", 1)
    for number in range(5):
        record(**NEW, id=f"message-{number}")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE messages ADD CONSTRAINT not_this_one"
            " CHECK (audio_url IS NULL OR id <> 'message-2')"
        )
    state, flow_run_id = run_id(page_size=2)
    with pytest.raises(ChunksBroken) as error:
        state.result()
    assert (error.value.broken, error.value.chunks) == (1, 3)
    assert len(urls()) == 3
    assert "**1 span failed**" in artifacts(flow_run_id)["refresh-signed-urls"].data


def test_a_wrong_clock_signs_nothing(record, run_id, urls, monkeypatch):
    record(**NEW)
    monkeypatch.setattr(flow_module, "utc_now", lambda: utc_now() + timedelta(seconds=70))
    with pytest.raises(ClockSkew):
        run_id()[0].result()
    assert urls() == []


@pytest.mark.parametrize("fails", [False, True])
def test_no_url_signature_secret_or_text_appears_anywhere(
    record, run_id, urls, engine, caplog, capfd, fails
):
    for number in range(3):
        record(**NEW, id=f"message-{number}", content=SAID)
    record(**NEW, audio_storage_key="elsewhere/a.wav", content=SAID)
    if fails:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "ALTER TABLE messages ADD CONSTRAINT no_urls CHECK (audio_url IS NULL)"
            )
    loggers = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.propagate = True
    try:
        with caplog.at_level(logging.DEBUG):
            state, flow_run_id = run_id()
    finally:
        for logger, level, propagate in before:
            logger.setLevel(level)
            logger.propagate = propagate
    assert state.is_failed() is fails
    assert bool(urls()) is not fails

    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(flow_run_id)
    task_runs = ended_task_runs(flow_run_id)
    outputs = [
        caplog.text,
        *(str(vars(record)) for record in caplog.records),
        *capfd.readouterr(),
        *(f"{artifact!r}{artifact.data}" for artifact in artifacts(flow_run_id).values()),
        flow_run.model_dump_json(),
        *(task_run.model_dump_json() for task_run in task_runs),
        repr(state),
        repr(state.result(raise_on_failure=False)),
    ]
    everything = "\n".join(outputs)
    assert "refresh-span-1" in everything  # proves that the search covers the right places
    assert " done, " in everything
    access = storage.signer().access
    for secret in (
        "X-Amz-Signature",
        "X-Amz-Credential",
        access.access_key_id.get_secret_value(),
        access.secret_access_key.get_secret_value(),
        SAID,
        *(url.rpartition("=")[2] for url in urls()),
    ):
        assert secret not in everything


def test_one_message_gets_a_new_url_that_nobody_sees(record, run_id, stored, caplog):
    wanted, other = record(**NEW), record(**NEW)
    with caplog.at_level(logging.DEBUG):
        state, flow_run_id = run_id(message_id=wanted)
    assert state.result() == UrlReport(signed=1)
    assert stored(wanted).audio_url
    assert stored(other).audio_url is None
    shown = artifacts(flow_run_id)["refresh-signed-urls"].data
    assert "X-Amz-Signature" not in caplog.text + shown
    with get_client(sync_client=True) as client:
        assert "X-Amz-Signature" not in client.read_flow_run(flow_run_id).model_dump_json()


def test_a_message_that_must_not_be_played_fails_the_run(record, run_id):
    due = record(audio=None, audio_url=None)
    state, _ = run_id(message_id=due)
    assert state.is_failed()
    with pytest.raises(UrlRefused, match="its retention and grace periods ended on"):
        state.result()
