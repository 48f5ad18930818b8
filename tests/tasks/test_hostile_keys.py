"""Keys that try to leave the recordings' prefix, in rows and in the bucket's listings."""

from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
import sqlalchemy as sa

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from schema.clock import utc_now
from schema.errors.storage import StorageUnavailable
from stores.bucket import audio_bucket
from tasks.reconciliation.listing import begin_reconciliation, list_chunk
from tasks.refresh_signed_urls import RefreshRules, plan_refresh, refresh_span
from tasks.resources import storage
from tests.support.erasing import erase
from tests.support.hostile_bucket import answer, saying, sending

OUTSIDE = {
    "the parent": "audio/../secret.wav",
    "the parent of all": "../../etc/passwd",
    "the parent, at the end": "audio/user/..",
    "a slash before": "/audio/user/a.wav",
    "another bucket": "other-bucket/audio/user/a.wav",
    "another host": "http://evil.example/audio/a.wav",
    "another host, without scheme": "//evil.example/audio/a.wav",
    "the marker": ".kaiwa-audio",
    "the prefix alone": "audio/",
    "another case": "Audio/user/a.wav",
    "a newline": "audio/a\nHost: evil.example\n.wav",
    "a return": "audio/a\r\n\r\nGET /b/secret HTTP/1.1",
    "an escape": "audio/\x1b]0;owned\x07.wav",
    "a byte too many": "audio/" + "x" * 1019,
}
INSIDE = {
    "an encoded parent": "audio/%2e%2e/%2E%2E/secret.wav",
    "an encoded slash": "audio/..%2f..%2fsecret.wav",
    "a query": "audio/a.wav?X-Amz-Expires=604800&versionId=x",
    "a fragment": "audio/a.wav#b",
    "a semicolon": "audio/a;/../b.wav".replace("/../", "/.../"),
    "a user": "audio/a@evil.example:80/b.wav",
    "backslashes": "audio/..\\..\\secret.wav",
    "bidirectional": "audio/\u202evaw.a\u202c.wav",
    "an overlong encoding": "audio/%c0%ae%c0%ae/secret.wav",
    "all bytes": "audio/" + "x" * 1018,
    "two slashes": "audio//evil.example/a.wav",
}
QUERY = {
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
}


@pytest.fixture
def rows(engine):
    """Return the rows of a query."""

    def _rows(query):
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    return _rows


@pytest.fixture
def hostile(stage, hostile_bucket, monkeypatch):
    """A stage whose bucket is a hostile server."""
    monkeypatch.setattr(audio_bucket, "_FIRST_PAUSE_SECONDS", 0)
    monkeypatch.setenv("TIGRIS_ENDPOINT", hostile_bucket.endpoint)
    storage.bucket.cache_clear()
    hostile_bucket["?versioning"] = saying(b"<VersioningConfiguration/>")
    hostile_bucket["?delete"] = saying(b"<DeleteResult/>")
    yield hostile_bucket
    storage.bucket.cache_clear()


def listing(*keys):
    entries = "".join(
        f"<Contents><Key>{escape(quote(key))}</Key><Size>4</Size>"
        "<LastModified>2025-01-01T00:00:00Z</LastModified></Contents>"
        for key in sorted(keys)
    )
    body = (
        "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
        f"{entries}</ListBucketResult>"
    )
    return sending(answer(body=body.encode()))


def objects_asked_for(server):
    """Return the objects of all requests, as the server reads their names."""
    targets = [request.split(b" ")[1].decode() for request in server.requests]
    assert all(target.startswith("/stage-") for target in targets)
    paths = [urlsplit(target).path.removeprefix("/") for target in targets]
    return {unquote(path.partition("/")[2]) for path in paths} - {""}


@pytest.mark.usefixtures("stage")
def test_a_signed_url_stays_in_the_recordings_folder_of_the_bucket(add_message, rows):
    for number, key in enumerate([*OUTSIDE.values(), *INSIDE.values()]):
        add_message(id=f"m-{number:02}", audio_storage_key=key, audio_retention_expires_at=None)
    rules = RefreshRules(utc_now(), AudioPolicy(), 1000, None, False)
    (span,) = plan_refresh.fn(rules).spans
    report = refresh_span.fn(span, rules, number=1, limit=None)
    assert (report.signed, report.refused) == (len(INSIDE), len(OUTSIDE))
    found = dict(rows("SELECT audio_storage_key, audio_url FROM messages"))
    assert {key for key, url in found.items() if url is None} == set(OUTSIDE.values())
    where = urlsplit(storage.objects_address())
    for key in INSIDE.values():
        url = urlsplit(found[key])
        assert (url.scheme, url.netloc, url.fragment) == (where.scheme, where.netloc, "")
        assert unquote(url.path) == where.path + key
        assert {name for name, _ in parse_qsl(url.query)} == QUERY


@pytest.mark.parametrize(
    "key", [key for key in OUTSIDE.values() if not key.startswith("audio/")], ids=ascii
)
def test_a_listing_of_keys_outside_the_prefix_is_an_outage(hostile, key):
    hostile["?list-type"] = listing("audio/a.wav", key)
    run = begin_reconciliation.fn()
    with pytest.raises(StorageUnavailable):
        list_chunk.fn(run)


def test_a_reconciliation_deletes_and_adopts_nothing_outside_the_prefix(
    hostile, add_message, rows, reconcile
):
    add_message(id="m-1", audio_storage_key=None)  # may adopt an object that names it
    traps = ["audio/../m-1_1.wav", "audio/u/c/../m-1_1.wav", "audio/\n/m-1_1.wav", "audio/a\0.wav"]
    keys = [
        *(key for key in OUTSIDE.values() if key.startswith("audio/") and len(key) <= 1024),
        *INSIDE.values(),
        *traps,
    ]
    hostile["?list-type"] = listing(*keys)
    for key in INSIDE.values():
        hostile.objects[key] = b"data"
    reconcile(repair=True)
    assert objects_asked_for(hostile) <= {audio_bucket.MARKER_KEY, "audio/", *INSIDE.values()}
    assert not any(request.startswith((b"DELETE", b"POST")) for request in hostile.requests)
    queued = {key for (key,) in rows("SELECT storage_key FROM audio_ops.orphan_object")}
    assert queued >= set(INSIDE.values())
    assert rows("SELECT audio_storage_key FROM messages WHERE id = 'm-1'") == [(None,)]


def test_an_erasure_deletes_nothing_outside_the_learners_folder(
    hostile, learner, add_message, rows
):
    keys = list(OUTSIDE.values())
    for number, key in enumerate(keys):
        add_message(
            id=f"m-{number:02}", conversation_id=learner.conversation_id, audio_storage_key=key
        )
    traps = [learner.folder + name for name in ("..", "../other/a.wav", "a\n.wav", "./a")]
    hostile["?list-type"] = listing(learner.folder + "a.wav", *traps)
    erased, left = erase(learner)
    assert erased.refused >= len(keys)
    assert not left.is_empty
    assert objects_asked_for(hostile) <= {audio_bucket.MARKER_KEY}
    sent = b"".join(hostile.bodies)
    assert all(escape(key).encode() not in sent for key in [*keys, *traps] if key != "audio/")
    assert not any(request.startswith(b"DELETE") for request in hostile.requests)


def test_every_key_that_is_refused_lies_outside():
    refused = {
        key for key in [*OUTSIDE.values(), *INSIDE.values()] if DEFAULT_POLICY.key_refusal(key)
    }
    assert refused == set(OUTSIDE.values())
