"""The URL of one message on demand, on real rows and a real bucket."""

import urllib.request
from datetime import timedelta

import pytest
import sqlalchemy as sa

from policy.configuration import with_grace
from schema.errors.storage import UrlRefused
from tasks.message_url import refresh_url

pytestmark = pytest.mark.usefixtures("stage")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ALWAYS = {"audio_retention_expires_at": None}


def test_the_url_plays_the_recording_and_is_stored(record, stored, now):
    message_id = record(audio=b"RIFF and all", audio_url=None, **ALWAYS)
    url = refresh_url(message_id, as_of=now)
    message = stored(message_id)
    assert (message.audio_url, message.audio_url_expires_at) == (url, now + 7 * DAY)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as response:
        assert response.read() == b"RIFF and all"


def test_a_url_that_is_still_valid_is_replaced_on_demand(record, stored, now):
    message_id = record(audio=None, **ALWAYS)
    first = refresh_url(message_id, as_of=now)
    second = refresh_url(message_id, as_of=now + HOUR)
    assert second != first
    assert stored(message_id).audio_url == second


def test_a_url_ends_when_the_recording_may_be_deleted(record, stored, now):
    message_id = record(audio=None, due_for=-2 * DAY, audio_url=None)  # five days into its grace
    refresh_url(message_id, as_of=now)
    assert stored(message_id).audio_url_expires_at == now + 2 * DAY


@pytest.mark.parametrize(("grace_days", "left"), [(7, 6 * DAY), (5, 4 * DAY), (14, 6 * DAY)])
def test_the_shorter_grace_period_ends_a_url(record, stored, now, grace_days, left):
    message_id = record(audio=None, due_for=-6 * DAY, audio_url=None)  # one day into its grace
    refresh_url(message_id, as_of=now, policy=with_grace(grace_days))
    assert stored(message_id).audio_url_expires_at == now + left


def test_without_a_grace_period_expired_audio_gets_no_url(record, now):
    message_id = record(audio=None, due_for=-6 * DAY, audio_url=None)
    with pytest.raises(UrlRefused, match="its retention and grace periods ended on"):
        refresh_url(message_id, as_of=now, policy=with_grace(0))


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"due_for": DAY}, "its retention and grace periods ended on"),
        ({"audio_deleted_at": "now", **ALWAYS}, "its recording was deleted"),
        ({"audio_storage_key": "elsewhere/a.wav", **ALWAYS}, "the key must begin with audio/"),
        ({"audio_storage_key": None, **ALWAYS}, "or it has no recording"),
    ],
)
def test_what_must_not_be_played_is_refused_with_a_reason(record, stored, now, columns, reason):
    if "audio_deleted_at" in columns:
        columns = {**columns, "audio_deleted_at": now}
    message_id = record(audio=None, audio_url=None, **columns)
    with pytest.raises(UrlRefused, match=reason):
        refresh_url(message_id, as_of=now)
    assert stored(message_id).audio_url is None


def test_a_recording_that_is_being_deleted_is_refused(record, engine, now):
    message_id = record(audio=None, audio_url=None, **ALWAYS)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO audio_ops.erased_learner (user_id, reason) SELECT c.user_id, 'request'"
                " FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id"
                " WHERE m.id = :id"
            ),
            {"id": message_id},
        )
    with pytest.raises(UrlRefused, match="is being deleted, or was erased"):
        refresh_url(message_id, as_of=now)


def test_an_unknown_message_is_refused(now):
    with pytest.raises(UrlRefused, match="Message 'nobody' gets no URL: there is no such message"):
        refresh_url("nobody", as_of=now)


def test_a_dry_run_stores_nothing(record, stored, now):
    message_id = record(audio=None, audio_url=None, **ALWAYS)
    refresh_url(message_id, as_of=now, dry_run=True)
    assert stored(message_id).audio_url is None
