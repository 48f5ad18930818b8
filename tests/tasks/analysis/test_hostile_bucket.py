"""A chunk of messages whose recordings come from a server that is no bucket, or a broken one."""

import hashlib
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from schema.errors.storage import StorageUnavailable, WrongBucket
from schema.states import AnalysisEngine, FailureCause
from stores.bucket import audio_bucket
from stores.bucket.audio_bucket import MARKER_KEY
from tasks.analysis.analyze_messages import analyze_chunk, plan_chunks
from tasks.resources import storage
from tests.support.hostile_bucket import LIMITS, answer, dripping, saying, sending, silent
from tests.support.recordings import SENTENCES, flac_of

HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"
PORTAL = saying(HTML, ETag='"5f-1"', Content_Type="text/html")
BEHAVIOURS = {
    "web page": PORTAL,
    "web page without ETag": saying(HTML, ETag=None),
    "JSON": saying(b'{"error": "log in"}', ETag=None),
    "JSON with ETag": saying(b'{"error": "log in"}', ETag='"1-2"'),
    "nothing": sending(b""),
    "empty": saying(b""),
    "silent": silent,
    "dripping head": dripping(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 4000),
    "dripping body": dripping(answer(length=2)),
    "cut": sending(answer(length=100_000)),
    "redirect": sending(answer("302 Found", Location="http://169.254.169.254/latest/meta-data/")),
    "404 page": saying(HTML, "404 Not Found"),
    "500 page": saying(HTML, "500 Oops"),
    "negative length": sending(answer(Content_Length="-1")),
    "no length": sending(answer(Content_Length=None)),
    "broken chunks": sending(answer(Content_Length=None, Transfer_Encoding="chunked") + b"xyz"),
    "too many headers": sending(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 10_000),
}


@pytest.fixture
def stage_on_hostile(stage, hostile_bucket, monkeypatch):
    """Let the tasks of a stage talk to the hostile server."""
    monkeypatch.setattr(audio_bucket, "_FIRST_PAUSE_SECONDS", 0)
    monkeypatch.setattr(storage, "BUCKET_LIMITS", LIMITS)
    monkeypatch.setenv("TIGRIS_ENDPOINT", hostile_bucket.endpoint)
    storage.bucket.cache_clear()
    yield hostile_bucket
    storage.bucket.cache_clear()


@pytest.fixture
def add(add_message, stage_on_hostile):
    """Add a message whose recording is answered by a behaviour, or is there as it should be."""

    def _add(name, behaviour=None, data=b""):
        key = f"audio/u/c/{name}.wav"
        if behaviour:
            stage_on_hostile[key] = behaviour
        else:
            stage_on_hostile.objects[key] = data
        return add_message(id=name, audio_storage_key=key, content=SENTENCES[0])

    return _add


@pytest.fixture
def analyse(noon):
    """Analyse all messages in one chunk."""

    def _analyse(max_attempts=1):
        (chunk,) = plan_chunks.fn(1000, 100, None, AnalysisEngine.KAIWA)
        return analyze_chunk.fn(
            chunk,
            None,
            engine=AnalysisEngine.KAIWA,
            max_attempts=max_attempts,
            workers=1,
            as_of=noon,
        )

    return _analyse


@pytest.fixture
def states(engine):
    """Return the state and the counted attempts of each message."""

    def _states():
        query = (
            "SELECT m.id, m.audio_processing_state, l.attempts, l.token IS NULL"
            " FROM messages AS m LEFT JOIN audio_ops.lease AS l ON l.message_id = m.id"
        )
        with engine.connect() as connection:
            return {row[0]: tuple(row[1:]) for row in connection.execute(sa.text(query))}

    return _states


@pytest.mark.parametrize("marker", BEHAVIOURS)
def test_no_recording_is_charged_for_a_server_that_is_no_bucket(
    stage_on_hostile, add, analyse, states, marker
):
    for name, behaviour in BEHAVIOURS.items():
        add(name, behaviour)
    stage_on_hostile[MARKER_KEY] = BEHAVIOURS[marker]
    started = time.monotonic()
    with pytest.raises((StorageUnavailable, WrongBucket)):
        analyse()
    assert time.monotonic() - started < 30
    assert set(states().values()) == {("uploaded", 0, True)}


def test_a_portal_that_answers_all_alike_fails_no_recording(stage_on_hostile, add, analyse, states):
    for name in "abc":
        add(name, PORTAL)
    stage_on_hostile[MARKER_KEY] = PORTAL
    with pytest.raises(StorageUnavailable, match="web page"):
        analyse()
    assert set(states().values()) == {("uploaded", 0, True)}


def test_an_outage_is_noticed_before_every_recording_has_taken_its_time(
    stage_on_hostile, add, analyse, states
):
    stage_on_hostile[MARKER_KEY] = silent
    for number in range(60):
        add(f"m-{number}", silent)
    with pytest.raises(StorageUnavailable, match="within"):
        analyse()
    assert len(stage_on_hostile.requests) < 30
    assert set(states().values()) == {("uploaded", 0, True)}


def test_odd_answers_for_single_recordings_delay_only_these(add, analyse, states):
    for number in range(3):
        add(f"good-{number}", data=flac_of(SENTENCES[0]))
    add("page", PORTAL)
    add("cut", BEHAVIOURS["cut"])
    report = analyse(max_attempts=5)
    assert (report.analyzed, report.failed, report.retried) == (3, 0, 2)
    assert report.causes == {FailureCause.STORAGE_UNAVAILABLE: 2}
    assert Counter(state for state, *_ in states().values()) == {"analyzed": 3, "uploaded": 2}


@pytest.mark.parametrize("others", [0, 2])
def test_a_web_page_that_a_learner_uploaded_fails_by_itself(add, analyse, others):
    etag = f'"{hashlib.md5(HTML).hexdigest()}"'
    add("page", saying(HTML, ETag=etag))
    for number in range(others):
        add(f"good-{number}", data=flac_of(SENTENCES[0]))
    report = analyse()
    assert (report.analyzed, report.failed) == (others, 1)
    assert report.causes == {FailureCause.UNDECODABLE: 1}


def test_the_measured_size_wins_over_that_of_the_row(add, add_message, analyse, engine):
    add("good", data=flac_of(SENTENCES[0]))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE messages SET audio_size_bytes = 7"))
    assert analyse().analyzed == 1
