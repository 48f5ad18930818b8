"""The sweep's pages on real Postgres and a real bucket: deletions, exceptions, report."""

from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from policy.sweep import Fate, SweepRules
from schema.documents import AnalysisRecord
from schema.states import HoldScope, UserTier
from schema.tables.app import Message
from stores.analysis import analyses
from stores.bucket import audio_bucket
from stores.bucket.versions import list_versions
from stores.quality.rules.message_columns import REFUSED_KEY
from tasks.resources import database, storage
from tasks.sweep.recordings import UNPLANNED
from tasks.sweep.sweep_retention import SweepCursor, sweep_chunk
from tests.support.faulty_bucket import Response
from tests.support.sweeping import AUDIO, DAY, GRACE, is_in_bucket

TICK = timedelta(microseconds=1)
METADATA = (
    "audio_duration_ms",
    "audio_size_bytes",
    "audio_format",
    "audio_sample_rate",
    "audio_channels",
    "audio_retention_expires_at",
)


@pytest.fixture
def rows_of(engine):
    """Run a query; return its rows as tuples."""

    def _rows_of(query):
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    return _rows_of


def test_due_audio_goes_and_other_audio_stays(record, stored, sweep, entries):
    due, in_grace = record(), record(due_for=-timedelta(hours=1))
    report = sweep()
    assert report.deleted == {UserTier.FREE: 1}
    assert report.deleted_bytes == {UserTier.FREE: 1000}
    gone, kept = stored(due), stored(in_grace)
    assert gone.audio_deleted_at is not None
    assert gone.audio_url is gone.audio_url_expires_at is None
    assert gone.audio_storage_key
    assert not is_in_bucket(gone.audio_storage_key)
    assert kept.audio_deleted_at is None
    assert kept.audio_url
    assert is_in_bucket(kept.audio_storage_key)
    assert entries() == [("retention", "deleted", due)]


def test_every_tier_is_swept_at_its_own_time(record, stored, sweep):
    due = [record(tier, due_for=timedelta(0)) for tier in UserTier]
    not_yet = [record(tier, due_for=-TICK) for tier in UserTier]
    assert sweep().deleted == dict.fromkeys(UserTier, 1)
    assert all(stored(message_id).audio_deleted_at for message_id in due)
    assert not any(stored(message_id).audio_deleted_at for message_id in not_yet)


# After a deletion


@pytest.mark.parametrize("soft", [True, False])
def test_a_deletion_keeps_the_row_and_its_analysis_and_softly_the_metadata_too(
    record, stored, sweep, engine, now, soft
):
    message_id = record(audio_duration_ms=900, audio_format="pcm16", pronunciation_score=80)
    with engine.begin() as connection:
        analyses.upsert(connection, [AnalysisRecord(message_id=message_id, analyzed_at=now)])
    before = stored(message_id)
    sweep(rules=SweepRules(now, GRACE, soft_delete=soft))
    after = stored(message_id)
    assert not is_in_bucket(before.audio_storage_key)
    assert after.audio_deleted_at
    assert (after.content, after.pronunciation_score) == (before.content, 80)
    for name in ("audio_storage_key", *METADATA):
        assert getattr(before, name) is not None
        assert getattr(after, name) == (getattr(before, name) if soft else None), name
    with engine.connect() as connection:
        assert analyses.get_by_message(connection, message_id)


def test_a_second_sweep_finds_nothing_to_do(record, sweep, entries):
    for _ in range(3):
        record()
    sweep()
    before = entries()
    assert sweep().objects == 0
    assert entries() == before


# Exceptions and their reasons


def test_an_upgrade_saves_audio_that_was_due(record, stored, sweep, engine, run_sql, now):
    message_id = record()
    run_sql(
        "INSERT INTO subscriptions (user_id, stripe_subscription_id, stripe_price_id, current_tier)"
        " SELECT user_id, 'sub_1', 'price_1', 'premium' FROM conversations"
    )
    report = sweep()
    assert (report.objects, report.extended) == (0, 1)
    kept = stored(message_id)
    assert is_in_bucket(kept.audio_storage_key)
    assert kept.audio_retention_expires_at == kept.timestamp + timedelta(days=365)
    assert kept.audio_url
    assert sweep().extended == 0


def test_a_downgrade_shortens_nothing_that_was_promised(record, sweep, stored, run_sql, now):
    promised = record(UserTier.PREMIUM, due_for=-DAY)
    run_sql("UPDATE subscriptions SET current_tier = 'free'")
    assert sweep().objects == 0
    assert is_in_bucket(stored(promised).audio_storage_key)


@pytest.mark.parametrize(
    ("tiers", "extended"),
    [(("free", "premium"), 1), (("premium", "free"), 0), (("premium", None), 0)],
)
@pytest.mark.parametrize("type_", ["subscription_tier", "text"])
def test_the_newest_of_several_subscriptions_counts(
    record, add_user, add_subscription, add_conversation, sweep, run_sql, tiers, extended, type_
):
    learner = add_user()
    for tier in tiers:
        add_subscription(learner, current_tier=tier)
    run_sql("ALTER TABLE subscriptions ALTER current_tier DROP DEFAULT")
    run_sql(f"ALTER TABLE subscriptions ALTER current_tier TYPE {type_}")
    record(UserTier.FREE, conversation=add_conversation(user_id=learner))
    assert sweep().extended == extended


def test_audio_of_an_unknown_tier_stays_and_is_reported(
    record, add_user, add_subscription, add_conversation, sweep, stored
):
    learner = add_user()
    add_subscription(learner, current_tier="enterprise")
    message_id = record(conversation=add_conversation(user_id=learner))
    assert sweep().kept == {Fate.UNKNOWN_TIER: 1}
    assert is_in_bucket(stored(message_id).audio_storage_key)


def test_audio_that_never_got_an_end_is_not_deleted(record, sweep, stored):
    message_id = record(due_for=1000 * DAY, audio_retention_expires_at=None)
    assert sweep().objects == 0
    assert is_in_bucket(stored(message_id).audio_storage_key)


def test_audio_that_is_being_uploaded_stays_and_is_reported(record, sweep, stored):
    message_id = record(audio_processing_state="uploading")
    assert sweep().kept == {Fate.UPLOADING: 1}
    assert is_in_bucket(stored(message_id).audio_storage_key)
    assert stored(message_id).audio_url


@pytest.mark.parametrize("scope", HoldScope)
def test_held_audio_stays_until_the_hold_is_released(
    record, add_user, add_conversation, hold, sweep, run_sql, entries, scope
):
    learner = add_user()
    conversation = add_conversation(user_id=learner)
    held, free = record(conversation=conversation), record(UserTier.GUEST)
    subjects = {"message": held, "conversation": conversation, "user": learner}
    hold(subjects[scope], scope)
    report = sweep()
    assert (report.deleted, report.kept) == ({UserTier.GUEST: 1}, {Fate.HELD: 1})
    run_sql("UPDATE audio_ops.legal_hold SET released_at = now(), released_by = 'Sato'")
    assert sweep().deleted == {UserTier.FREE: 1}
    assert entries() == [("retention", "deleted", free), ("retention", "deleted", held)]


FOREIGN = "exports/report.wav"
NOT_OURS = (
    "audio/u/../../../etc/passwd",
    "audio/u/./a.wav",
    "audio/u/line\nbreak.wav",
    "audio/u/\x7f.wav",
    "audio/" + "ä" * 512,
    FOREIGN,
    "AUDIO/u/a.wav",
    audio_bucket.MARKER_KEY,
    "",
)


def test_foreign_keys_are_refused_and_quarantined_and_block_no_others(
    record, stored, sweep, entries, rows_of
):
    bad = [record(due_for=2 * DAY, audio=None, audio_storage_key=key) for key in NOT_OURS]
    storage.bucket().put(FOREIGN, AUDIO, "audio/wav")
    good = record()
    for deleted in (1, 0):
        report = sweep(page_size=2)
        assert (report.objects, report.kept) == (deleted, {Fate.REFUSED_KEY: len(NOT_OURS)})
    assert not any(stored(message_id).audio_deleted_at for message_id in bad)
    assert is_in_bucket(FOREIGN)
    storage.bucket().verify_marker()
    assert entries() == [("retention", "deleted", good)]
    cases = rows_of("SELECT message_id, rule, length(observed) > 20 FROM audio_ops.quarantine")
    assert sorted(cases) == [(message_id, REFUSED_KEY.name, True) for message_id in bad]


# Objects that several messages share


def test_a_shared_object_goes_with_its_last_message(record, stored, sweep, entries, run_sql):
    key = "audio/user/c/shared.wav"
    due, needed = (record(due_for=days * DAY, audio_storage_key=key) for days in (1, -20))
    report = sweep()
    assert (report.objects, report.shared) == (0, 1)
    assert is_in_bucket(key)
    assert stored(due).audio_deleted_at
    assert not stored(needed).audio_deleted_at
    assert entries() == []
    run_sql(
        "UPDATE messages SET timestamp = timestamp - interval '99 days',"
        " audio_retention_expires_at = audio_retention_expires_at - interval '99 days'"
    )
    assert sweep().objects == 1
    assert not is_in_bucket(key)
    assert entries() == [("retention", "deleted", needed)]


@pytest.mark.parametrize("page_size", [1, 100])
def test_messages_that_end_together_end_their_object_once(
    record, stored, sweep, entries, page_size
):
    key = "audio/user/c/shared.wav"
    ids = [record(due_for=days * DAY, audio_storage_key=key) for days in (3, 2, 1)]
    assert sweep(page_size=page_size).objects == 1
    assert not is_in_bucket(key)
    assert all(stored(message_id).audio_deleted_at for message_id in ids)
    assert len(entries()) == 1


def test_a_shared_object_stays_while_any_of_its_messages_must_be_kept(
    record, stored, sweep, hold, add_user, add_subscription, add_conversation
):
    learner = add_user()
    add_subscription(learner, current_tier="enterprise")
    unknown_tier = add_conversation(user_id=learner)

    def share(name, **columns):
        key = f"audio/user/c/{name}.wav"
        return record(audio_storage_key=key), record(audio_storage_key=key, **columns)

    pairs = [
        share("held"),
        share("uploading", audio_processing_state="uploading"),
        share("without-end", audio_retention_expires_at=None),
        share("unknown-tier", conversation=unknown_tier),
    ]
    hold(pairs[0][1])
    report = sweep()
    assert (report.objects, report.shared) == (0, 4)
    for due, kept in pairs:
        assert is_in_bucket(stored(kept).audio_storage_key)
        assert stored(due).audio_deleted_at
        assert not stored(kept).audio_deleted_at


# Paging


def test_pages_go_on_until_nothing_is_due(record, sweep, entries):
    ids = {record(due_for=timedelta(hours=1 + n // 3)) for n in range(23)}  # ties across pages
    report = sweep(page_size=4)
    assert (report.objects, report.intended) == (23, 23)
    assert Counter(entries()) == {("retention", "deleted", id_): 1 for id_ in ids}


def test_undeletable_recordings_starve_no_others(record, sweep, hold):
    for _ in range(4):
        hold(record(due_for=9 * DAY))
    for _ in range(4):
        record(due_for=8 * DAY, audio=None, audio_storage_key="../x")
    for _ in range(3):
        record()
    assert sweep(page_size=2).objects == 3
    report = sweep(page_size=2)
    assert report.objects == 0
    assert report.kept == {Fate.HELD: 4, Fate.REFUSED_KEY: 4}


def test_a_chunk_continues_where_the_previous_one_ended(record, rules):
    for _ in range(5):
        record()
    cursor = SweepCursor(allowance=5)
    deleted = []
    while not cursor.ended:
        report, cursor = sweep_chunk.fn(cursor, rules, page_size=2, pages=1)
        deleted.append(report.objects)
    assert deleted == [2, 2, 1, 0, 0]  # the last two find no more recordings and orphans


def test_no_more_is_deleted_than_was_planned(record, add_orphan, rules, sweep, entries):
    for days in (5, 4, 3):
        record(due_for=days * DAY)
    orphan = add_orphan("orphan")
    report, cursor = sweep_chunk.fn(SweepCursor(allowance=2), rules, page_size=2, pages=10)
    assert cursor.ended
    assert (report.objects, report.kept) == (2, {UNPLANNED: 2})
    assert is_in_bucket(orphan)
    assert len(entries()) == 2
    assert sweep().objects == 2


def test_a_page_costs_the_same_however_much_is_due(
    record, engine, rules, faulty_bucket, run_sql, now
):
    faulty_bucket.on("DeleteObjects", confirmed)  # the real one would take a minute
    conversation = stored_conversation(engine, record(due_for=-DAY))
    statements = Counter()
    sa.event.listen(
        database.engine(), "before_cursor_execute", lambda *_: statements.update(["one"])
    )

    def costs(due):
        _insert_due(engine, conversation, due, now)
        calls = len(faulty_bucket.requests)
        statements.clear()
        report, cursor = sweep_chunk.fn(
            SweepCursor(allowance=due), rules, page_size=100, pages=1000
        )
        assert cursor.ended
        assert report.objects == due
        return len(faulty_bucket.requests) - calls, statements.total()

    few, many = costs(500), costs(5000)
    assert (few[0], many[0]) == (5 + 1, 50 + 1)  # one per page, and one for the versioning state
    in_vain = 2  # queries that find no recordings and no orphans
    assert (many[1] - in_vain) / 50 == (few[1] - in_vain) / 5 == 13


def confirmed(exchange):
    """Answer DeleteObjects as if all had been deleted."""
    keys = exchange.request.deleted_keys
    body = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
    answer = f"<DeleteResult>{body}</DeleteResult>".encode()
    exchange.send(Response(200, [("Content-Type", "application/xml")], answer))


def stored_conversation(engine, message_id):
    with engine.connect() as connection:
        query = sa.select(Message.conversation_id).where(Message.id == message_id)
        return connection.scalar(query)


def _insert_due(engine, conversation, count, now):
    """Insert due messages without objects, whose deletion S3 confirms as well."""
    rows = [
        {
            "id": f"bulk-{count}-{number}",
            "conversation_id": conversation,
            "role": "user",
            "content": "",
            "timestamp": now - 60 * DAY,
            "audio_storage_key": f"audio/user/bulk-{count}/{number}.wav",
            "audio_processing_state": "analyzed",
            "audio_retention_expires_at": now - 30 * DAY,
        }
        for number in range(count)
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(Message), rows)


def test_a_bucket_that_keeps_versions_keeps_none_of_what_is_swept(record, stored, sweep):
    bucket = storage.bucket()
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
    )
    due, other = record(), record(due_for=-DAY)
    key = stored(due).audio_storage_key
    bucket.put(key, b"uploaded again", "audio/wav")
    longer = record(due_for=-DAY, audio_storage_key=f"{key}.bak")
    assert sweep().deleted == {UserTier.FREE: 1}
    left = {version.key for page in list_versions(bucket, "audio/") for version in page}
    assert left == {stored(other).audio_storage_key, stored(longer).audio_storage_key}
