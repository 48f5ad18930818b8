"""The main job, end to end: real recordings, real Postgres, a real S3 server, real processes."""

import io
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import psutil
import pytest
import soundfile
import sqlalchemy as sa
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.analyze_messages import analyze_messages
from schema.errors.analysis import AnalysesBroken, RunIncomplete
from schema.errors.storage import StorageDenied, StorageUnavailable
from schema.facts.analysis import AnalysisReport
from schema.states import AnalysisEngine, FailureCause
from stores.analysis import leases
from stores.bucket.audio_bucket import AudioBucket
from tasks.analysis import pool, server_process
from tasks.analysis.workers import AnalysisWorkers
from tasks.resources import storage
from tests.support import hostile_server
from tests.support.recordings import SENTENCES, flac_of

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]


@pytest.fixture
def rows(engine):
    """Read all messages with their analyses, by id."""

    def _rows():
        query = sa.text(
            "SELECT m.id, m.audio_processing_state AS state, m.audio_processing_error AS error,"
            " m.pronunciation_score, m.fluency_score, m.speech_rate_wpm AS message_wpm,"
            " a.overall_accuracy_score, a.overall_fluency_score, a.speech_rate_wpm,"
            " a.speech_timings, a.analysis_error, a.raw_features, a.analysis_engine AS engine"
            " FROM messages m LEFT JOIN message_audio_analysis a ON a.message_id = m.id"
        )
        with engine.connect() as connection:
            return {row.id: row for row in connection.execute(query)}

    return _rows


def states(rows):
    return Counter(row.state for row in rows.values())


def as_flac(samples):
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="FLAC")
    return file.getvalue()


def newest_summary():
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["analyze-messages"]))
        )
    return max(artifacts, key=lambda artifact: artifact.created).data


def test_recordings_become_scores_where_the_app_reads_them(upload, rows, count):
    ids = [upload(sentence) for sentence in SENTENCES]
    report = analyze_messages(chunk_size=3)
    assert (report.claimed, report.analyzed) == (4, 4)
    for message_id in ids:
        row = rows()[message_id]
        assert row.state == "analyzed"
        assert row.error is None
        assert 0 <= row.overall_accuracy_score <= 100
        assert row.pronunciation_score == row.overall_accuracy_score
        assert row.fluency_score == row.overall_fluency_score
        assert row.message_wpm == row.speech_rate_wpm > 0
        assert {"word", "startMs", "endMs", "charStart", "charEnd"} <= row.speech_timings[0].keys()
    assert count("audio_ops.lease") == 0


def test_the_summary_is_an_artifact(upload):
    upload(SENTENCES[0])
    upload(SENTENCES[0], audio=bytes(48_000))
    analyze_messages()
    newest = newest_summary()
    assert "| Analysed | 1 |" in newest
    assert "| no speech | 1 |" in newest
    assert SENTENCES[0] not in newest


def test_a_second_run_finds_nothing_to_do(upload, rows, count):
    upload(SENTENCES[0])
    analyze_messages()
    before = rows()
    assert analyze_messages().claimed == 0
    assert rows() == before
    assert count("audio_ops.analysis_history") == 0


@pytest.mark.parametrize(
    ("audio", "text", "columns", "cause"),
    [
        (b"", "hello there", {}, FailureCause.UNDECODABLE),
        (b"\x00" * 100_000, "hello there", {}, FailureCause.NO_SPEECH),
        (b"RIFF\x00\x00\x00\x00WAVEnonsense", "hello there", {}, FailureCause.UNDECODABLE),
        (None, "", {}, FailureCause.EMPTY_TEXT),
        (None, "👍👍", {}, FailureCause.EMPTY_TEXT),
        (None, "こんにちは", {}, FailureCause.UNSUPPORTED_LANGUAGE),  # in an English conversation
        (None, "word " * 10_000, {}, FailureCause.TEXT_MISMATCH),
        (as_flac(np.zeros(16_000 * 60 * 30, "f4")), "hi", {}, FailureCause.TOO_LONG),
        (as_flac(np.full(800, 0.1, "f4")), "hello there", {}, FailureCause.NO_SPEECH),
    ],
    ids=lambda value: value.value if isinstance(value, FailureCause) else "",
)
def test_a_recording_that_cannot_be_scored_fails_with_a_reason(
    upload, rows, audio, text, columns, cause
):
    bad = upload(text, audio=audio, **columns)
    good = upload(SENTENCES[1])
    report = analyze_messages()
    assert report.causes == {cause: 1}
    assert rows()[good].state == "analyzed"
    row = rows()[bad]
    assert row.state == "failed"
    assert row.error == row.analysis_error
    assert row.raw_features == {"failure_cause": cause.value}
    assert len(row.error) > 20
    assert row.pronunciation_score is None


def test_messages_without_audio_are_never_touched(add_message, rows):
    pending = add_message(audio_processing_state="pending", audio_storage_key=None)
    keyless = add_message(audio_processing_state="uploaded", audio_storage_key=None)
    analyze_messages()
    assert (rows()[pending].state, rows()[keyless].state) == ("pending", "uploaded")


def test_a_missing_recording_fails_when_the_bucket_is_ours(add_message, rows):
    gone = add_message(audio_storage_key="audio/u/c/gone.wav")
    with pytest.raises(RunIncomplete):
        analyze_messages()
    assert rows()[gone].state == "failed"
    assert "not in the bucket" in rows()[gone].error


def test_a_key_that_no_server_stores_fails_its_message_alone(upload, add_message, rows):
    bad, good = add_message(audio_storage_key="audio/../../etc/passwd"), upload(SENTENCES[0])
    with pytest.raises(RunIncomplete):
        analyze_messages()
    assert (rows()[bad].state, rows()[good].state) == ("failed", "analyzed")
    assert "audio_storage_key" in rows()[bad].error


def test_the_wrong_bucket_fails_no_message(upload, rows, monkeypatch):
    waiting = upload(SENTENCES[0])
    storage.bucket().client.create_bucket(Bucket="another-bucket")  # without a marker
    monkeypatch.setenv("TIGRIS_BUCKET_NAME", "another-bucket")
    storage.bucket.cache_clear()
    with pytest.raises(RunIncomplete, match="Failed chunks"):
        analyze_messages()
    assert rows()[waiting].state == "uploaded"


def test_refused_credentials_fail_no_message(upload, rows, monkeypatch):
    waiting = upload(SENTENCES[0])
    monkeypatch.setenv("TIGRIS_SECRET_ACCESS_KEY", "wrong")
    storage.bucket.cache_clear()
    with pytest.raises(RunIncomplete, match="Failed chunks"):
        analyze_messages()
    assert rows()[waiting].state == "uploaded"


def test_an_outage_of_the_bucket_is_charged_to_no_message(upload, rows, engine, monkeypatch):
    waiting = [upload(SENTENCES[0]) for _ in range(3)]
    with monkeypatch.context() as patch:
        patch.setenv("TIGRIS_ENDPOINT", "http://127.0.0.1:9")  # discard: no server
        storage.bucket.cache_clear()
        with pytest.raises(RunIncomplete, match="Failed chunks"):
            analyze_messages()
    assert {rows()[message].state for message in waiting} == {"uploaded"}
    storage.bucket.cache_clear()
    with engine.connect() as connection:
        tries = connection.execute(sa.text("SELECT sum(attempts) FROM audio_ops.lease")).scalar()
    assert tries == 0
    assert analyze_messages().analyzed == 3


@pytest.fixture
def break_object(monkeypatch):
    """Make the bucket fail for one key."""

    def _break_object(message_id, error):
        get = AudioBucket.get

        def broken(self, key, *, max_bytes):
            if message_id in key:
                raise error
            return get(self, key, max_bytes=max_bytes)

        monkeypatch.setattr(AudioBucket, "get", broken)

    return _break_object


@pytest.mark.parametrize(
    "error",
    [StorageUnavailable("get an object", "503"), StorageDenied("get an object", "AccessDenied")],
    ids=["unavailable", "denied"],
)
def test_an_unreadable_object_is_retried_and_then_fails(upload, rows, engine, break_object, error):
    bad, good = upload(SENTENCES[0]), upload(SENTENCES[1])
    break_object(bad, error)
    with pytest.raises(RunIncomplete, match="1 of 2"):
        analyze_messages(max_attempts=2)
    assert (rows()[bad].state, rows()[good].state) == ("uploaded", "analyzed")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE audio_ops.lease SET available_at = now()"))
    with pytest.raises(RunIncomplete, match="1 of 1"):  # a single one is not an outage
        analyze_messages(max_attempts=2)
    assert rows()[bad].state == "failed"
    assert "Gave up after 2 attempts" in rows()[bad].error


def test_an_empty_list_of_languages_means_all(upload):
    upload(SENTENCES[0])
    assert analyze_messages(languages=[]).analyzed == 1
    upload(SENTENCES[0])
    assert analyze_messages(languages=["ja"]).claimed == 0
    assert analyze_messages(languages=["en-GB"]).analyzed == 1


def test_a_language_without_an_engine_waits_and_is_counted(upload, rows, count, caplog):
    japanese = [upload("きのう えいがを みました", language="ja") for _ in range(2)]
    korean, english = upload("안녕하세요", language="ko"), upload(SENTENCES[0])
    report = analyze_messages()
    assert (report.claimed, report.analyzed) == (1, 1)
    assert report.without_engine == {"ja": 2, "ko": 1}
    assert rows()[english].state == "analyzed"
    assert {rows()[message_id].state for message_id in (*japanese, korean)} == {"uploaded"}
    assert count("audio_ops.lease") == 0
    assert "waiting for an engine: ja 2; ko 1" in caplog.text
    assert "| ja | 2 |" in newest_summary()


def test_a_run_with_nothing_but_languages_without_an_engine_says_so(upload, rows):
    waiting = upload("きのう えいがを みました", language="ja")
    report = analyze_messages(engine="kaiwa")
    assert (report.claimed, report.without_engine) == (0, {"ja": 1})
    assert rows()[waiting].state == "uploaded"
    assert "| Waiting for an engine | |" in newest_summary()


def test_waiting_messages_are_found_when_an_engine_is_added(upload, rows, monkeypatch):
    monkeypatch.setenv("KAIWA_ENGINE", "auto")
    text = "きのう えいがを みました"
    waiting = upload(text, flac_of(text, "ja"), language="ja")
    with monkeypatch.context() as patched:
        patched.setattr("tasks.analysis.voice.is_installed", lambda: False)
        assert analyze_messages().without_engine == {"ja": 1}
    assert analyze_messages().analyzed == 1
    row = rows()[waiting]
    assert (row.state, row.engine, row.overall_accuracy_score) == ("analyzed", "dtw", None)
    assert row.pronunciation_score is None
    assert row.fluency_score == row.overall_fluency_score > 50


def test_the_tutors_turns_are_left_alone(upload, rows):
    tutors = [upload(SENTENCES[0], role=role) for role in ("assistant", "system")]
    assert analyze_messages() == AnalysisReport()
    assert {rows()[message_id].state for message_id in tutors} == {"uploaded"}


def test_scores_that_the_app_emptied_come_back_with_the_next_run(upload, rows, app_saves_again):
    message_id = upload(SENTENCES[0])
    analyze_messages()
    before = rows()[message_id]
    app_saves_again()
    assert rows()[message_id].pronunciation_score is None
    report = analyze_messages()
    assert (report.claimed, report.scores_put_back) == (0, 1)
    assert rows()[message_id] == before
    assert "1 score restored that the app had cleared." in newest_summary()
    assert analyze_messages() == AnalysisReport()


def test_leases_are_renewed_while_recordings_are_analysed(upload, rows, monkeypatch):
    for _ in range(6):
        upload(SENTENCES[0])
    renewals = []
    renew = leases.renew
    monkeypatch.setattr(
        leases, "renew", lambda *arguments: renewals.append(renew(*arguments)) or renewals[-1]
    )
    monkeypatch.setattr("tasks.analysis.batch.RENEWAL_SECONDS", 0.01)
    assert analyze_messages().analyzed == 6
    assert set(renewals) == {6}


def test_messages_taken_over_meanwhile_are_not_written(upload, rows, engine, monkeypatch):
    taken, kept = upload(SENTENCES[0]), upload(SENTENCES[1])
    get = AudioBucket.get

    def take_over(self, key, *, max_bytes):
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    "UPDATE audio_ops.lease SET token = gen_random_uuid() WHERE message_id = :id"
                ),
                {"id": taken},
            )
        return get(self, key, max_bytes=max_bytes)

    monkeypatch.setattr(AudioBucket, "get", take_over)
    report = analyze_messages()
    assert (report.analyzed, report.lost) == (1, 1)
    assert (rows()[taken].state, rows()[kept].state) == ("analyzing", "analyzed")
    assert rows()[taken].analysis_error is rows()[taken].overall_accuracy_score is None


@pytest.fixture
def hostile_workers(monkeypatch):
    """Analyse in processes that do what the text of a message says."""
    monkeypatch.setattr(server_process, "COMMAND", hostile_server.command())
    with AnalysisWorkers(1, AnalysisEngine.KAIWA) as workers:
        monkeypatch.setattr(pool, "analysis_workers", lambda *_: workers)
        yield


@pytest.mark.usefixtures("hostile_workers")
def test_a_message_that_kills_its_worker_three_times_is_quarantined(upload, rows, engine):
    killer = upload("die")
    others = [upload("live") for _ in range(5)]
    for run in range(3):
        with pytest.raises(RunIncomplete):
            analyze_messages(fail_above_percent=0)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE audio_ops.lease SET available_at = now()"))
        assert rows()[killer].state == ("uploaded" if run < 2 else "failed")
    assert {rows()[other].error for other in others} == {"Only a stand-in."}
    with engine.connect() as connection:
        case = connection.execute(sa.text("SELECT * FROM audio_ops.quarantine")).one()
    assert (case.message_id, case.rule) == (killer, "analysis_crash")


def test_a_wrong_value_is_written_quarantined_and_fails_the_run(upload, rows, engine, monkeypatch):
    wrong, right = upload(SENTENCES[0]), upload(SENTENCES[1])
    analyse = AnalysisWorkers.analyse

    def analyse_wrongly(self, message, audio, *, as_of):
        outcome = analyse(self, message, audio, as_of=as_of)
        if message.message_id != wrong:
            return outcome
        changes = {"articulation_rate_wpm": 1, "longest_pause_duration_ms": 10**6}
        return replace(outcome, record=outcome.record.model_copy(update=changes))

    monkeypatch.setattr(AnalysisWorkers, "analyse", analyse_wrongly)
    with pytest.raises(AnalysesBroken, match=r"1 of 2 .* articulation_rate, longest_pause"):
        analyze_messages()
    assert {row.state for row in rows().values()} == {"analyzed"}
    assert rows()[wrong].message_wpm == rows()[wrong].speech_rate_wpm > 1
    assert rows()[right].analysis_error is None
    with engine.connect() as connection:
        cases = connection.execute(
            sa.text("SELECT message_id, rule, observed FROM audio_ops.quarantine ORDER BY rule")
        ).all()
    assert [case[:2] for case in cases] == [(wrong, "articulation_rate"), (wrong, "longest_pause")]
    assert cases[0].observed == f"articulation 1 wpm, speech {rows()[wrong].speech_rate_wpm} wpm"


def test_a_message_deleted_while_it_is_analysed_is_no_failure(upload, rows, engine, monkeypatch):
    deleted, kept = upload(SENTENCES[0]), upload(SENTENCES[1])
    get = storage.bucket().get

    def delete_meanwhile(self, key, *, max_bytes):
        with engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM messages WHERE id = :id"), {"id": deleted})
        return get(key, max_bytes=max_bytes)

    monkeypatch.setattr(type(storage.bucket()), "get", delete_meanwhile)
    report = analyze_messages()
    assert (report.analyzed, report.lost) == (1, 1)
    assert set(rows()) == {kept}


def test_more_failures_than_allowed_fail_the_run_after_everything_is_written(upload, rows):
    for _ in range(15):
        upload("hello", audio=b"")
    for _ in range(10):
        upload(SENTENCES[0])
    with pytest.raises(RunIncomplete, match="15 of 25"):
        analyze_messages(fail_above_percent=50)
    assert states(rows()) == {"failed": 15, "analyzed": 10}


# --- Real processes, really interrupted -----------------------------------------------------

MANY = 200  # enough messages to interrupt a run in the middle of them

RUN = """
import json, sys, time
from pathlib import Path
from flows.analyze_messages import analyze_messages
from stores.analysis import leases

claim = leases.claim

def claim_at_the_gate(*arguments, **options):
    print("ready to claim", flush=True)
    while not Path(sys.argv[2]).exists():
        time.sleep(0.01)
    return claim(*arguments, **options)

if __name__ == "__main__":
    leases.claim = claim_at_the_gate
    report = analyze_messages(**json.loads(sys.argv[1]))
    print(json.dumps([report.claimed, report.analyzed]))
"""


@pytest.fixture
def start_runs(tmp_path):
    """Start the flow in separate processes, as a Prefect worker does; all claim at once."""
    started = []

    def _start_runs(count, **parameters):
        gate = tmp_path / "gate"
        for _ in range(count):
            command = [sys.executable, "-c", RUN, json.dumps(parameters), str(gate)]
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        for run in started:
            assert run.stdout.readline() == "ready to claim\n"
        gate.touch()
        return started

    yield _start_runs
    for run in started:
        run.kill()
        run.wait()


@pytest.fixture
def start_run(start_runs):
    """Start the flow in a separate process."""
    return lambda **parameters: start_runs(1, **parameters)[0]


def wait_until(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


@pytest.mark.slow
def test_two_runs_at_once_analyse_nothing_twice(upload, rows, count, start_runs):
    for number in range(100):
        upload(SENTENCES[number % len(SENTENCES)])
    runs = start_runs(2, chunk_size=5, workers=1)
    claimed = [json.loads(run.communicate(timeout=200)[0].splitlines()[-1])[0] for run in runs]
    assert sum(claimed) == 100
    assert min(claimed) > 0
    assert states(rows()) == {"analyzed": 100}
    assert count("audio_ops.analysis_history") == 0


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_loses_and_doubles_nothing(
    upload, rows, count, engine, start_run, blow
):
    for number in range(MANY):
        upload(SENTENCES[number % len(SENTENCES)])
    run = start_run(chunk_size=10, workers=1)
    wait_until(lambda: states(rows())["analyzed"] >= 10)
    children = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(blow)
    run.wait(timeout=30)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert states(rows())["analyzed"] < MANY
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE audio_ops.lease SET leased_until = now() - interval '1 second'")
        )
    analyze_messages()
    assert states(rows()) == {"analyzed": MANY}
    assert count("audio_ops.analysis_history") == 0


@pytest.mark.slow
def test_a_run_waits_for_a_database_that_goes_away(upload, rows, count, postgres, start_run):
    for number in range(MANY):
        upload(SENTENCES[number % len(SENTENCES)])
    run = start_run(chunk_size=10, workers=1)
    wait_until(lambda: states(rows())["analyzed"] >= 10)
    port = urlsplit(postgres.url()).port
    assert states(rows())["analyzed"] < MANY
    postgres.stop()
    time.sleep(10)
    postgres.start(port)
    output, _ = run.communicate(timeout=200)
    assert run.returncode == 0
    assert json.loads(output.splitlines()[-1]) == [MANY, MANY]
    assert states(rows()) == {"analyzed": MANY}
    assert count("audio_ops.analysis_history") == 0


@pytest.mark.slow
def test_a_bucket_that_goes_away_costs_no_message(
    upload, rows, count, engine, s3_server, start_run
):
    server, ports, _ = s3_server
    for number in range(MANY):
        upload(SENTENCES[number % len(SENTENCES)])
    run = start_run(chunk_size=10, workers=1)
    wait_until(lambda: states(rows())["analyzed"] >= 10)
    server.stop()
    assert states(rows())["analyzed"] < MANY
    time.sleep(10)
    server.start(ports)
    run.wait(timeout=200)
    left = MANY - states(rows())["analyzed"]
    assert states(rows())["uploaded"] == left
    # A few that the outage delayed do not fail a run.
    assert run.returncode == 0 if left == 0 else run.returncode != 0 or left <= MANY / 5
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE audio_ops.lease SET available_at = now()"))
    analyze_messages()
    assert states(rows()) == {"analyzed": MANY}
    assert count("audio_ops.analysis_history") == 0
