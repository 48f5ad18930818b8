"""Refreshing URLs on real rows and a real bucket, also during a sweep."""

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from policy.configuration import AudioPolicy
from schema.errors.storage import CredentialExpiryUnknown, CredentialsExpired
from schema.facts.urls import UrlReport
from schema.states import UserTier
from stores import signed_urls
from tasks.refresh_signed_urls import RefreshRules, plan_refresh, refresh_span

pytestmark = pytest.mark.usefixtures("stage")

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
WEEK = 7 * DAY
ALWAYS = {"audio_retention_expires_at": None}


@pytest.fixture
def refresh(now):
    """Plan and refresh to the end as the flow does, without Prefect."""

    def _refresh(as_of=now, *, limit=None, page_size=1000, lead_days=1, **more):
        policy = AudioPolicy(signed_url_lead_time_days=lead_days)
        more = {"only_active_days": None, "dry_run": False, **more}
        rules = RefreshRules(as_of, policy, page_size, **more)
        plan = plan_refresh.fn(rules)
        report = UrlReport(due=plan.due)
        for number, span in enumerate(plan.spans):
            left = None if limit is None else limit - report.signed
            report += refresh_span.fn(span, rules, number=number, limit=left)
        return report

    return _refresh


def signed_until(url):
    """Return the expiry in a URL's signature."""
    query = parse_qs(urlsplit(url).query)
    signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
    return signed_at + int(query["X-Amz-Expires"][0]) * SECOND


def test_a_new_url_plays_the_recording_for_seven_days(record, refresh, stored, now):
    message_id = record(audio=b"RIFF and all", audio_url=None, **ALWAYS)
    assert refresh(now + timedelta(microseconds=999_999)) == UrlReport(signed=1)
    message = stored(message_id)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(message.audio_url, timeout=30) as response:
        assert response.read() == b"RIFF and all"
    assert signed_until(message.audio_url) == message.audio_url_expires_at == now + WEEK


@pytest.mark.parametrize(
    ("ends_in", "lead_days", "signed"),
    [(DAY, 1, 1), (DAY + SECOND, 1, 0), (-DAY, 1, 1), (3 * DAY, 3, 1), (SECOND, 0, 0)],
)
def test_urls_are_renewed_from_their_lead_time_on(
    record, refresh, stored, now, ends_in, lead_days, signed
):
    message_id = record(audio=None, audio_url_expires_at=now + ends_in, **ALWAYS)
    assert refresh(lead_days=lead_days) == UrlReport(signed=signed, fresh=1 - signed)
    assert (stored(message_id).audio_url_expires_at == now + WEEK) == bool(signed)


def test_a_url_that_the_app_emptied_is_renewed_though_its_expiry_is_far(
    record, refresh, stored, app_saves_again, now
):
    message_id = record(audio=None, audio_url=None, **ALWAYS)
    assert refresh() == UrlReport(signed=1)
    app_saves_again()
    message = stored(message_id)
    assert (message.audio_url, message.audio_url_expires_at) == (None, now + WEEK)
    assert refresh(now + HOUR) == UrlReport(signed=1)
    assert signed_until(stored(message_id).audio_url) == now + HOUR + WEEK
    assert refresh(now + HOUR) == UrlReport(fresh=1)


def test_a_second_run_finds_nothing_to_do(record, refresh, now):
    for _ in range(3):
        record(audio=None, due_for=-2 * DAY, audio_url=None)
    assert refresh() == UrlReport(signed=3)
    assert refresh(now + HOUR) == UrlReport(fresh=3)


def test_a_url_ends_when_its_audio_may_be_deleted(record, refresh, stored, now):
    last_day = record(audio=None, due_for=-HOUR, audio_url=None)
    due = record(audio=None, due_for=timedelta(0), audio_url=None)
    half = record(audio=None, due_for=-timedelta(seconds=0.5), audio_url=None)
    record(audio=None, due_for=DAY, audio_url=None)
    assert refresh() == UrlReport(signed=1, due=3)
    message = stored(last_day)
    assert signed_until(message.audio_url) == message.audio_url_expires_at == now + HOUR
    assert stored(due).audio_url is None
    assert stored(half).audio_url is None


@pytest.mark.parametrize("limit", [1, 3, 4, 7, 8, 100])
def test_a_limit_is_kept_to_the_url(record, refresh, engine, limit):
    for number in range(8):
        record(audio=None, due_for=-(number + 2) * DAY, audio_url=None)
    assert refresh(limit=limit, page_size=2).signed == min(limit, 8)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(audio_url) FROM messages")) == min(limit, 8)


@pytest.mark.parametrize("page_size", [1, 2, 3, 1000])
def test_pages_of_any_size_miss_nothing(record, refresh, page_size):
    for number in range(23):
        record(audio=None, due_for=-(number % 3 + 2) * DAY, audio_url=None)
    record(audio=None, audio_url=None, **ALWAYS)
    assert refresh(page_size=page_size) == UrlReport(signed=24)


def test_a_dry_run_writes_nothing(record, refresh, engine):
    record(audio=None, audio_url=None, **ALWAYS)
    record(audio=None, audio_storage_key="elsewhere/a.wav", audio_url=None, **ALWAYS)
    assert refresh(dry_run=True) == UrlReport(signed=1, refused=1)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(audio_url) FROM messages")) == 0
        assert connection.scalar(sa.text("SELECT count(*) FROM audio_ops.quarantine")) == 0


@pytest.mark.parametrize(
    "key", ["elsewhere/secret.wav", "audio/secret/../x", "audio/secret\n", "audio/" + "x" * 1020]
)
def test_a_key_that_is_not_ours_is_quarantined_and_stops_no_other(
    record, refresh, stored, engine, key
):
    bad = record(audio=None, audio_storage_key=key, audio_url=None, **ALWAYS)
    good = record(audio=None, audio_url=None, **ALWAYS)
    for _ in range(2):
        assert refresh().refused == 1
    assert stored(bad).audio_url is None
    assert stored(good).audio_url is not None
    with engine.connect() as connection:
        cases = connection.execute(
            sa.text("SELECT message_id, rule, observed FROM audio_ops.quarantine")
        )
        (case,) = cases
    assert (case.message_id, case.rule) == (bad, "storage_key")
    assert "secret" not in case.observed


def test_only_active_learners_get_urls_if_so_wished(record, refresh, add_conversation, now):
    for age in (2 * DAY, 4 * DAY):
        conversation = add_conversation()
        record(audio=None, conversation=conversation, timestamp=now - age, audio_url=None, **ALWAYS)
    assert refresh(only_active_days=3) == UrlReport(signed=1, inactive=1)
    assert refresh() == UrlReport(signed=1, fresh=1)


# Credentials


def test_temporary_credentials_cut_a_url_short_and_make_none_twice(
    record, refresh, stored, now, monkeypatch
):
    monkeypatch.setenv("TIGRIS_SESSION_TOKEN", "token")
    monkeypatch.setenv("TIGRIS_CREDENTIAL_EXPIRATION", (now + HOUR).isoformat())
    message_id = record(audio=None, audio_url=None, **ALWAYS)
    assert refresh() == UrlReport(signed=1)
    message = stored(message_id)
    assert signed_until(message.audio_url) == message.audio_url_expires_at == now + HOUR
    assert refresh(now + 0.5 * HOUR) == UrlReport(fresh=1)
    with pytest.raises(CredentialsExpired):
        refresh(now + HOUR)


def test_a_session_token_of_unknown_end_is_refused_before_anything_is_read(
    refresh, monkeypatch, record
):
    monkeypatch.setenv("TIGRIS_SESSION_TOKEN", "token")
    with pytest.raises(CredentialExpiryUnknown):
        refresh()


# During a sweep


@pytest.fixture
def before_writing(monkeypatch):
    """Run a change once, after a page is read and before its URLs are written."""

    def _before_writing(function):
        waiting = [function]
        write = signed_urls.write

        def interrupted(*arguments):
            while waiting:
                waiting.pop()()
            return write(*arguments)

        monkeypatch.setattr(signed_urls, "write", interrupted)

    return _before_writing


def test_a_recording_swept_after_it_was_read_gets_no_url(
    record, refresh, sweep, stored, before_writing, now
):
    swept = record(due_for=timedelta(0), audio_url=None)
    kept = record(due_for=-DAY, audio_url=None)
    before_writing(sweep)
    # This run began a minute before the audio was due.
    assert refresh(now - 60 * SECOND) == UrlReport(signed=1, changed=1)
    assert stored(swept).audio_deleted_at is not None
    assert stored(swept).audio_url is None
    assert stored(kept).audio_url is not None


def test_a_recording_being_swept_gets_no_new_url(
    record, refresh, sweep, stored, before_deleting, now
):
    swept = record(due_for=timedelta(0), audio_url_expires_at=now)
    reports = []
    before_deleting(lambda: reports.append(refresh(now - 60 * SECOND)))
    assert sweep().deleted.total() == 1
    assert reports == [UrlReport(due=1)]
    assert stored(swept).audio_url is None


def test_a_sweep_and_refreshes_at_once_leave_no_url_without_audio(
    record, refresh, sweep, engine, now
):
    for number in range(60):
        record(
            UserTier.PLUS if number % 3 else UserTier.FREE,
            due_for=timedelta(0) if number % 2 else -DAY,
            audio=None,
            audio_url=None,
        )
    with ThreadPoolExecutor(1) as thread:
        sweeping = thread.submit(sweep, page_size=2)
        rounds = 0
        while not sweeping.done() or not rounds:
            # Each round requests new URLs.
            refresh(now - 60 * SECOND, page_size=3)
            with engine.begin() as connection:
                connection.execute(
                    sa.text(
                        "UPDATE messages SET audio_url_expires_at = now() - interval '1 day'"
                        " WHERE audio_url IS NOT NULL"
                    )
                )
            rounds += 1
        sweeping.result()
    sweep()  # again, because it skips rows locked by a refresh
    refresh(now)
    query = (
        "SELECT audio_deleted_at IS NOT NULL, count(*), count(audio_url) FROM messages GROUP BY 1"
    )
    with engine.connect() as connection:
        found = {deleted: counts for deleted, *counts in connection.execute(sa.text(query))}
    assert found == {True: [30, 0], False: [30, 30]}


def test_signatures_are_dated_by_the_run_and_not_by_its_pages(record, refresh, stored, now):
    ids = [record(audio=None, audio_url=None, **ALWAYS) for _ in range(5)]
    refresh(now - HOUR, page_size=1)
    assert {stored(message_id).audio_url_expires_at for message_id in ids} == {now - HOUR + WEEK}
