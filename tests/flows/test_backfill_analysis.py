"""A backfill, end to end: real recordings, real Prefect, real Postgres, a real S3 server."""

import functools
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterState,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ParameterTypeError, PrefectHTTPStatusError
from prefect.flow_runs import pause_flow_run

from flows.backfill_analysis import backfill_analysis
from flows.undo_backfill import undo_backfill
from flows.work_on_backfill import work_on_backfill
from schema.errors.backfill import (
    BackfillClosed,
    BackfillIncomplete,
    BackfillNotApproved,
    BackfillStopped,
    BackfillUnknown,
    EngineChanged,
)
from schema.errors.base import ParametersRefused
from schema.states import AnalysisEngine, BackfillOutcome, BackfillSelection, FailureCause
from speech import engine as speech_engine
from stores.analysis import analyses
from stores.backfill import leases
from tasks.analysis import batch
from tasks.analysis.engines import installed_release
from tasks.analysis.workers import NotAnalysed
from tasks.backfill import approval
from tasks.backfill import release as releases
from tasks.resources import database
from tests.conftest import FIRST_MESSAGE_AT
from tests.support.backfilling import analysis
from tests.support.recordings import SENTENCES

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]

backfill_for_real = functools.partial(
    backfill_analysis, "a better engine", dry_run=False, max_mean_shift=100.0
)


@pytest.fixture
def analysed(upload, engine):
    """Upload a recording that an older engine analysed; return the message's id."""

    def _analysed(text=SENTENCES[0], accuracy=60, audio=None, message=None, **columns):
        message_id = upload(
            text, audio, audio_processing_state="analyzed", pronunciation_score=accuracy,
            **(message or {}),
        )  # fmt: skip
        with engine.begin() as connection:
            analyses.create(connection, analysis(message_id, accuracy, **columns))
        return message_id

    return _analysed


@pytest.fixture
def rows(engine):
    """Return all messages with their analyses, by id."""

    def _rows():
        query = sa.text(
            "SELECT m.id, m.audio_processing_state AS state, m.pronunciation_score,"
            " a.analysis_version AS version, a.overall_accuracy_score AS accuracy,"
            " a.speech_timings AS timings"
            " FROM messages m LEFT JOIN message_audio_analysis a ON a.message_id = m.id"
        )
        with engine.connect() as connection:
            return {row.id: row for row in connection.execute(query)}

    return _rows


@pytest.fixture
def one(engine):
    """Return the only value of a query's result."""

    def _one(query):
        with engine.connect() as connection:
            return connection.execute(sa.text(query)).scalar_one()

    return _one


def newest_artifact(key="backfill-analysis"):
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        )
    return max(artifacts, key=lambda artifact: artifact.created).data


def test_a_dry_run_counts_and_changes_nothing(analysed, upload, rows, one):
    ids = [analysed(sentence) for sentence in SENTENCES]
    upload(SENTENCES[0])
    before = rows()
    found = backfill_analysis("a better engine")
    assert (found.selected, found.done) == (len(ids), 0)
    assert rows() == before
    assert one("SELECT count(*) FROM audio_ops.backfill") == 0
    assert "| **Would be analysed** | 4 messages |" in newest_artifact()
    assert "an assumption; nothing has been measured yet" in newest_artifact()


def test_history_gets_new_scores_and_the_old_ones_are_kept(analysed, rows, one):
    ids = [analysed(sentence) for sentence in SENTENCES]
    found = backfill_for_real(canary_size=2, chunk_size=1)
    assert found.outcomes == {BackfillOutcome.ANALYZED: 4}
    for message_id in ids:
        row = rows()[message_id]
        assert (row.state, row.version) == ("analyzed", speech_engine.VERSION)
        assert row.pronunciation_score == row.accuracy
        assert row.timings
    assert one("SELECT count(*) FROM audio_ops.analysis_history") == 4
    report = one("SELECT report FROM audio_ops.backfill WHERE ended_at IS NOT NULL")
    assert report["outcomes"] == {"analyzed": 4}
    assert report["languages"]["en"]["accuracy"]["mean_before"] == 60
    assert "| Analysed | 4 |" in newest_artifact()
    assert "data:image/png;base64," in newest_artifact("backfill-analysis-charts")
    assert "accuracy changed most" in newest_artifact("backfill-analysis-canary")
    assert SENTENCES[0] not in newest_artifact("backfill-analysis-canary")


def test_the_same_backfill_again_does_nothing_twice(analysed, rows, one):
    analysed()
    backfill_for_real()
    before = rows()
    found = backfill_for_real()
    assert (found.selected, found.done) == (1, 1)
    assert rows() == before
    assert one("SELECT count(*) FROM audio_ops.backfill") == 1
    assert one("SELECT count(*) FROM audio_ops.analysis_history") == 1


def test_asking_how_far_a_backfill_is_writes_nothing(analysed, one):
    analysed()
    backfill_for_real()
    before = one("SELECT report FROM audio_ops.backfill")
    assert backfill_analysis("just asking", resume=1).open == 0
    assert one("SELECT report FROM audio_ops.backfill") == before
    with pytest.raises(BackfillUnknown):
        backfill_analysis("just asking", resume=2)


def test_messages_of_the_live_pipeline_are_analysed_first(analysed, upload, rows, monkeypatch):
    old, live = analysed(), upload(SENTENCES[1])
    order = []
    keep = analyses.upsert
    monkeypatch.setattr(
        analyses,
        "upsert",
        lambda connection, records: (
            order.extend(r.message_id for r in records) or keep(connection, records)
        ),
    )
    backfill_for_real()
    assert order[0] == live
    assert rows()[live].state == "analyzed"
    assert rows()[old].version == speech_engine.VERSION


def test_a_failure_leaves_the_analysis_that_had_worked(analysed, rows):
    silent = analysed(audio=b"\x00" * 100_000)
    with pytest.raises(BackfillIncomplete) as caught:
        backfill_for_real(canary_size=0)
    assert (caught.value.failed, caught.value.selected) == (1, 1)
    assert (rows()[silent].state, rows()[silent].accuracy) == ("analyzed", 60)
    assert "| no speech | 1 |" in newest_artifact()


def test_audio_deleted_meanwhile_is_counted_and_no_failure(analysed, rows, engine, monkeypatch):
    gone, kept = analysed(), analysed(SENTENCES[1])
    claim = leases.claim

    def delete_first(connection, *arguments, **options):
        with engine.begin() as other:
            other.execute(
                sa.text("UPDATE messages SET audio_deleted_at = now() WHERE id = :id"), {"id": gone}
            )
        return claim(connection, *arguments, **options)

    monkeypatch.setattr(leases, "claim", delete_first)
    found = backfill_for_real(canary_size=0)
    assert found.outcomes == {BackfillOutcome.GONE: 1, BackfillOutcome.ANALYZED: 1}
    assert (rows()[gone].version, rows()[kept].version) == ("1.0", speech_engine.VERSION)


def test_a_newer_analysis_is_never_overwritten(analysed, rows):
    newer = analysed(analysis_version="99.0")
    assert backfill_for_real(selection=BackfillSelection.ALL).selected == 0
    assert rows()[newer].version == "99.0"


def test_undoing_puts_everything_back(analysed, rows):
    for sentence in SENTENCES:
        analysed(sentence)
    before = rows()
    backfill_for_real()
    assert undo_backfill(1, "worse after all") == 4
    assert rows() != before
    shown = newest_artifact("undo-backfill")
    assert shown.startswith(
        "**Dry run: nothing was undone.** To restore these messages, run `undo-backfill` again with"
        " `backfill_id` 1, a `reason` and `dry_run` off."
    )
    assert "| **Would be restored to their earlier state** | 4 |" in shown
    assert undo_backfill(1, "worse after all", dry_run=False) == 4
    assert "nothing was undone" not in newest_artifact("undo-backfill")
    assert rows() == before
    with pytest.raises(BackfillClosed, match="was undone"):
        backfill_for_real(resume=1)


def test_what_was_released_cannot_be_undone(analysed):
    analysed()
    backfill_for_real()
    assert releases.release(1) == 1
    with pytest.raises(BackfillClosed, match="was released"):
        undo_backfill(1, "too late", dry_run=False)
    with pytest.raises(BackfillUnknown):
        undo_backfill(2, "no such one")


def test_another_version_of_the_engine_may_not_go_on(analysed, monkeypatch):
    analysed()
    backfill_for_real()
    monkeypatch.setattr(speech_engine, "VERSION", "99.0")
    with pytest.raises(EngineChanged):
        backfill_for_real(resume=1)


# Two engines


@pytest.fixture
def versions(engine):
    """Return engine and model of every analysis, by message."""

    def _versions():
        query = sa.text(
            "SELECT message_id, analysis_engine, analysis_model_version FROM message_audio_analysis"
        )
        with engine.connect() as connection:
            return {row.message_id: tuple(row)[1:] for row in connection.execute(query)}

    return _versions


@pytest.mark.parametrize(
    ("engine_name", "other"),
    [
        (AnalysisEngine.KAIWA_LARGE, AnalysisEngine.KAIWA),
        (AnalysisEngine.KAIWA, AnalysisEngine.KAIWA_LARGE),
        (AnalysisEngine.KAIWA, AnalysisEngine.DTW),
        (AnalysisEngine.DTW, AnalysisEngine.KAIWA),
    ],
)
def test_history_goes_from_one_engine_to_the_other_and_back(
    analysed, rows, versions, monkeypatch, engine_name, other
):
    monkeypatch.setenv("KAIWA_ENGINE", engine_name)
    ids = [analysed(sentence) for sentence in SENTENCES[:2]]
    backfill_for_real(canary_size=0)
    before = rows()
    assert set(versions().values()) == {(engine_name, speech_engine.model_version(engine_name))}
    assert backfill_analysis("is anything outdated?").selected == 0
    assert backfill_analysis("to the other", engine=other).selected == len(ids)
    assert f"By **{installed_release(other)}**." in newest_artifact()
    found = backfill_for_real(engine=other, canary_size=0)
    assert found.outcomes == {BackfillOutcome.ANALYZED: len(ids)}
    assert set(versions().values()) == {(other, speech_engine.model_version(other))}
    assert undo_backfill(2, "worse after all", dry_run=False) == len(ids)
    assert rows() == before
    assert set(versions().values()) == {(engine_name, speech_engine.model_version(engine_name))}


@pytest.mark.parametrize("again", [{"resume": 1}, {}], ids=["resumed", "same arguments"])
def test_a_backfill_keeps_its_engine(analysed, stopped_after, versions, monkeypatch, again):
    ids = [analysed(SENTENCES[n % 4]) for n in range(3)]
    monkeypatch.setenv("KAIWA_ENGINE", "kaiwa")
    claim = leases.claim
    stopped_after(1)
    with pytest.raises(BackfillStopped):
        backfill_for_real(canary_size=0, chunk_size=1)
    monkeypatch.setattr(leases, "claim", claim)
    monkeypatch.setenv("KAIWA_ENGINE", "kaiwa-large")
    found = backfill_for_real(canary_size=0, chunk_size=1, **again)
    assert found.outcomes == {BackfillOutcome.ANALYZED: len(ids)}
    assert {engine_name for engine_name, _ in versions().values()} == {"kaiwa"}


# A first sample that changed much


@pytest.fixture
def quick_pause(monkeypatch):
    """Poll for an answer every second instead of every ten."""
    quick = functools.partial(pause_flow_run, poll_interval=1)
    monkeypatch.setattr(approval, "pause_flow_run", quick)


@pytest.fixture
def person(quick_pause):
    """Answers the first run that pauses."""

    def answer(backfill):
        paused = FlowRunFilter(state=FlowRunFilterState(type={"any_": [StateType.PAUSED]}))
        with get_client(sync_client=True) as client:
            for _ in range(240):
                for run in client.read_flow_runs(flow_run_filter=paused):
                    with suppress(PrefectHTTPStatusError):  # it pauses before it writes the form
                        client.resume_flow_run(
                            run.id, run_input={"backfill_id": backfill, "approved_by": "Mori"}
                        )
                        return
                time.sleep(0.25)

    def _person(backfill):
        threading.Thread(target=answer, args=(backfill,), daemon=True).start()

    return _person


def test_a_sample_that_changed_much_waits_for_a_person(analysed, person, one):
    for sentence in SENTENCES:
        analysed(sentence, accuracy=5)
    person(1)
    found = backfill_for_real(canary_size=2, max_mean_shift=5.0)
    assert found.outcomes == {BackfillOutcome.ANALYZED: 4}
    assert one("SELECT approved_by FROM audio_ops.backfill") == "Mori"
    assert one("SELECT canary ->> 'objection' FROM audio_ops.backfill").startswith("mean accuracy")


def test_an_answer_for_another_backfill_approves_nothing(analysed, person, rows):
    for sentence in SENTENCES:
        analysed(sentence, accuracy=5)
    person(7)
    with pytest.raises(BackfillNotApproved, match="another backfill"):
        backfill_for_real(canary_size=2, max_mean_shift=5.0)
    written = [row for row in rows().values() if row.version == speech_engine.VERSION]
    assert len(written) == 2


# Stopped and killed

SCRIPT = """
from flows.backfill_analysis import backfill_analysis
backfill_analysis(
    "a better engine", dry_run=False, max_mean_shift=100.0, canary_size=0, chunk_size=2
)
"""


@pytest.mark.slow
def test_a_killed_run_loses_nothing_and_does_nothing_twice(analysed, rows, one, engine):
    ids = [analysed(SENTENCES[n % 4]) for n in range(60)]
    run = subprocess.Popen([sys.executable, "-c", SCRIPT])
    deadline = time.monotonic() + 120
    while one("SELECT count(*) FROM audio_ops.backfill_item WHERE outcome = 'analyzed'") < 4:
        assert time.monotonic() < deadline, "it never wrote a chunk"
        time.sleep(0.05)
    run.kill()
    run.wait()
    done = one("SELECT count(*) FROM audio_ops.backfill_item WHERE outcome = 'analyzed'")
    assert 4 <= done < len(ids)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE audio_ops.backfill_item SET leased_until = now()"))
    found = backfill_for_real(resume=1)
    assert found.outcomes == {BackfillOutcome.ANALYZED: len(ids)}
    assert {row.version for row in rows().values()} == {speech_engine.VERSION}
    assert one("SELECT count(*) FROM audio_ops.analysis_history") == len(ids)


@pytest.fixture
def stopped_after(one, engine, monkeypatch):
    """Stop the backfill once so many of its messages are done."""

    def _stopped_after(done):
        claim = leases.claim

        def stop_first(connection, *arguments, **options):
            query = "SELECT count(*) FROM audio_ops.backfill_item WHERE outcome IS NOT NULL"
            if one(query) >= done:
                with engine.begin() as other:
                    other.execute(sa.text("UPDATE audio_ops.backfill SET stopped_at = now()"))
            return claim(connection, *arguments, **options)

        monkeypatch.setattr(leases, "claim", stop_first)

    return _stopped_after


def test_a_stopped_backfill_fails_and_continues_with_resume(
    analysed, one, stopped_after, monkeypatch
):
    for n in range(12):
        analysed(SENTENCES[n % 4])
    claim = leases.claim
    stopped_after(2)
    with pytest.raises(BackfillStopped) as caught:
        backfill_for_real(canary_size=0, chunk_size=2)
    monkeypatch.setattr(leases, "claim", claim)
    assert 0 < caught.value.still_open < 12
    assert "are left**: run it again" in newest_artifact()
    assert one("SELECT count(*) FROM audio_ops.backfill WHERE ended_at IS NULL") == 1
    report = backfill_analysis("just asking", resume=1)
    assert report.open == caught.value.still_open
    assert backfill_for_real(resume=1, chunk_size=2).open == 0


def test_stopping_during_the_sample_approves_nothing(analysed, one, stopped_after):
    for n in range(6):
        analysed(SENTENCES[n % 4])
    stopped_after(1)
    with pytest.raises(BackfillStopped):
        backfill_for_real(canary_size=4, chunk_size=1)
    assert one("SELECT approved_by FROM audio_ops.backfill") is None


def test_a_worker_that_a_person_starts_waits_for_the_approval_too(analysed, one):
    for n in range(3):
        analysed(SENTENCES[n])
    backfill_for_real(canary_size=1)
    with database.engine().begin() as connection:
        connection.execute(
            sa.text("UPDATE audio_ops.backfill SET approved_by = NULL, ended_at = NULL")
        )
        connection.execute(sa.text("UPDATE audio_ops.backfill_item SET outcome = NULL"))
    assert work_on_backfill(1).claimed == 0


def test_failed_messages_are_selected_again_with_another_reason(analysed, rows, monkeypatch):
    message_id = analysed()
    with monkeypatch.context() as patch:
        patch.setattr(batch, "analyse_all", failing)
        with pytest.raises(BackfillIncomplete, match="with another reason"):
            backfill_for_real(canary_size=0)
    found = backfill_analysis("the bucket is mended", dry_run=False, max_mean_shift=100.0)
    assert found.outcomes == {BackfillOutcome.ANALYZED: 1}
    assert rows()[message_id].version == speech_engine.VERSION


def failing(claim, *_):
    return {
        message.message_id: NotAnalysed(FailureCause.NO_SPEECH, "It was told to fail.")
        for message in claim.messages
    }


def test_cancelling_its_run_stops_a_backfill(analysed, one, engine):
    analysed()
    backfill_for_real()
    run_id = one("SELECT flow_run_id FROM audio_ops.backfill")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE audio_ops.backfill SET ended_at = NULL"))
    (hook,) = backfill_analysis.on_cancellation_hooks
    hook(flow=backfill_analysis, flow_run=SimpleNamespace(id=run_id), state=None)
    assert one("SELECT count(*) FROM audio_ops.backfill WHERE stopped_at IS NOT NULL") == 1


DAY = timedelta(days=1)


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"start": FIRST_MESSAGE_AT + DAY, "end": FIRST_MESSAGE_AT}, "`start` must be before"),
        ({"start": FIRST_MESSAGE_AT, "end": FIRST_MESSAGE_AT}, "`start` must be before `end`"),
        ({"start": datetime(2999, 1, 1, tzinfo=UTC)}, "`start` is in the future"),
        (
            {"start": datetime(2999, 1, 1, tzinfo=UTC), "end": datetime(2999, 1, 2, tzinfo=UTC)},
            "`start` is in the future",
        ),
        ({"end": FIRST_MESSAGE_AT - DAY}, "Nobody sent a recording between `start` and `end`"),
        ({"start": FIRST_MESSAGE_AT + DAY}, "Nobody sent a recording between `start` and `end`"),
        ({"languages": ["en", "English"]}, "`languages` has unknown codes: 'english'"),
        ({"languages": ["ja"], "engine": "kaiwa"}, "No engine analyses ja. Choose from en"),
        ({"conversation_ids": ["no such one"]}, "1 of 1 `conversation_ids` do not exist"),
        ({"conversation_ids": ["a\0"]}, "One of `conversation_ids` contains NUL characters"),
        ({"start": datetime.fromisoformat("0001-01-01T00:00+05:00")}, "`start` is 0001-01-01"),
    ],
)
def test_a_selection_that_can_hold_nothing_is_refused_before_anything_is_written(
    analysed, count, dry_run, parameters, says
):
    analysed()
    with pytest.raises(ParametersRefused, match=f"^Nothing was done. {says}"):
        backfill_analysis("a better engine", dry_run=dry_run, **parameters)
    assert count("audio_ops.backfill") == 0


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_unknown_backfill_is_refused_before_anything_else(dry_run, monkeypatch):
    monkeypatch.setattr("flows.backfill_analysis.check_clocks", None)
    with pytest.raises(BackfillUnknown, match="Backfill 99 does not exist"):
        backfill_analysis("go on", dry_run=dry_run, resume=99)


def test_a_run_that_resumes_may_state_the_selection_again_but_no_other_one(analysed):
    analysed()
    window = {"start": FIRST_MESSAGE_AT, "languages": ["en-US"]}
    backfill_for_real(**window)
    assert backfill_analysis("go on", resume=1).open == 0
    assert backfill_analysis("go on", resume=1, **window).open == 0
    for other in (
        {"start": FIRST_MESSAGE_AT - DAY},
        {"selection": "all"},
        {"limit": 1},
        {"engine": "kaiwa"},
    ):
        with pytest.raises(ParametersRefused, match="Backfill 1 has another selection"):
            backfill_analysis("go on", resume=1, **window | other)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("reason", "no", "at least 3 characters"),
        ("start", "2025-01-01T00:00:00", "should have timezone info"),
        ("max_parallel", 0, "greater than or equal to 1"),
        ("limit", 0, "greater than or equal to 1"),
        ("engine", "whisper", "'kaiwa' or 'dtw'"),
        ("selection", "everything", "'missing', 'failed', 'outdated'"),
        ("max_mean_shift", 101, "less than or equal to 100"),
    ],
)
def test_the_form_refuses_nonsense(name, value, says):
    with pytest.raises(ParameterTypeError, match=f"{name}: .*{says}"):
        backfill_analysis(**{"reason": "a better engine", name: value})
