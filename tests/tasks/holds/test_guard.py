"""Each request to delete is preceded by a proof of its locks, and has a deadline of its own."""

from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from policy.deletion import IN_FLIGHT_SECONDS, REQUEST_SECONDS
from schema.errors.deletion import LocksLost
from stores.bucket import audio_bucket, versions
from stores.bucket.versions import deletion_for_good
from stores.deletion import holds
from tasks.deletion import guard
from tasks.resources import database, storage
from tests.support.erasing import keep_versions, versions_under
from tests.support.faulty_bucket import answered, calling_after
from tests.tasks.holds.conftest import left

KEYS = [f"audio/user/c/{number}.wav" for number in range(3)]


@pytest.fixture
def connection(stage):
    """A transaction that keeps holds out."""
    with database.engine().connect() as connection:
        holds.keep_out(connection)
        yield connection


@pytest.fixture
def one_key_a_request(monkeypatch):
    for module in (audio_bucket, versions):
        monkeypatch.setattr(module, "MAX_KEYS_PER_DELETE", 1)


def upload(bucket):
    for key in KEYS:
        bucket.put(key, b"sound", "audio/wav")


@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
def test_a_session_that_ends_between_two_requests_prevents_the_second(
    connection, one_key_a_request, end_sessions, faulty_bucket, versioned
):
    if versioned:
        keep_versions()
    bucket = storage.bucket()
    upload(bucket)
    faulty_bucket.on("DeleteObjects", calling_after(lambda _: end_sessions()), times=1)
    with pytest.raises(OperationalError):
        deletion_for_good(bucket)(KEYS, guard(connection))
    assert faulty_bucket.count("DeleteObjects") == 1
    assert left(KEYS) == 2


def test_a_key_that_xml_cannot_hold_is_guarded_as_well(connection, end_sessions, faulty_bucket):
    end_sessions()
    with pytest.raises(OperationalError):
        storage.bucket().delete_many(["audio/user/c/\ufffe.wav"], guard(connection))
    assert faulty_bucket.count("DeleteObject") == 0


@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
def test_a_repeated_request_proves_its_locks_anew(
    connection, end_sessions, faulty_bucket, versioned
):
    if versioned:
        keep_versions()
    bucket = storage.bucket()
    upload(bucket)

    def fail(exchange):
        end_sessions()
        answered(503, "SlowDown")(exchange)

    faulty_bucket.on("DeleteObjects", fail, times=1)
    with pytest.raises(OperationalError):
        deletion_for_good(bucket)(KEYS, guard(connection))
    assert faulty_bucket.count("DeleteObjects") == 1
    assert len(versions_under("audio/")) == 3


def test_a_passing_fault_of_the_bucket_does_not_end_a_page(connection, faulty_bucket):
    bucket = storage.bucket()
    upload(bucket)
    faulty_bucket.on("DeleteObjects", answered(503, "SlowDown"), times=2)
    assert len(bucket.delete_many(KEYS, guard(connection)).deleted) == 3
    assert faulty_bucket.count("DeleteObjects") == 3


def test_a_session_without_the_lock_deletes_nothing(stage, faulty_bucket):
    """As behind a pooler that puts another session in the place of one that was lost."""
    bucket = storage.bucket()
    upload(bucket)
    with database.engine().connect() as other, pytest.raises(LocksLost, match="pooler"):
        bucket.delete_many(KEYS, guard(other))
    assert faulty_bucket.count("DeleteObjects") == 0


def test_another_sessions_lock_is_no_proof(connection):
    with database.engine().connect() as other, pytest.raises(LocksLost):
        holds.prove_kept_out(other)
    holds.prove_kept_out(connection)


def test_postgres_ends_idle_sessions_long_after_the_last_request_to_delete(stage):
    """All tries of a request together take at most the limit of a call."""
    setting = partial(sa.func.current_setting, "idle_in_transaction_session_timeout")
    with database.engine().connect() as connection:
        idle_seconds = connection.scalar(
            sa.select(sa.func.extract("epoch", sa.cast(setting(), sa.Interval)))
        )
    assert REQUEST_SECONDS < storage.bucket().limits.call_seconds * 2 < float(idle_seconds)
    assert 2 * REQUEST_SECONDS < IN_FLIGHT_SECONDS < float(idle_seconds)
