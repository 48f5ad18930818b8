"""The plan of a sweep, and its check for the right bucket."""

import secrets
from datetime import timedelta

import pytest

from policy.sweep import Fate, SweepRules
from schema.errors.storage import StorageDenied, StorageUnavailable, UnprovenBucket, WrongBucket
from schema.states import HoldScope, UserTier
from stores.bucket.audio_bucket import MARKER_KEY
from tasks.resources import storage
from tasks.sweep import planning
from tasks.sweep.planning import SAMPLE_SIZE, check_bucket, plan_sweep
from tests.support.faulty_bucket import answered, lost_request
from tests.support.sweeping import AUDIO, DAY, GRACE, is_in_bucket


@pytest.fixture
def plan(rules):
    return lambda rules=rules: plan_sweep.fn(rules)


@pytest.fixture
def move_to(monkeypatch):
    """Point the batch to a new, empty bucket."""

    def _move_to(*, marker):
        monkeypatch.setenv("TIGRIS_BUCKET_NAME", f"other-{secrets.token_hex(4)}")
        storage.bucket.cache_clear()
        if marker:
            storage.bucket().create_with_marker()
        else:
            bucket = storage.bucket()
            bucket.client.create_bucket(Bucket=bucket.name)

    return _move_to


# Counts


def test_a_plan_counts_by_tier_what_is_due_and_why_the_rest_is_not(
    record, add_orphan, hold, plan, now
):
    for tier, days in ((UserTier.FREE, 1), (UserTier.FREE, 2), (UserTier.GUEST, 1)):
        record(tier, due_for=days * DAY)
    record(due_for=-DAY)
    record(due_for=9 * DAY, audio_retention_expires_at=None)
    record(audio_processing_state="uploading")
    record(audio=None, audio_storage_key="../x")
    hold(record(due_for=30 * DAY))
    add_orphan("orphan")
    add_orphan("held")
    hold("held")
    counted = plan()
    assert counted.due == {UserTier.FREE: 2, UserTier.GUEST: 1}
    assert counted.due_bytes == {UserTier.FREE: 2000, UserTier.GUEST: 1000}
    assert (counted.orphans, counted.orphan_bytes) == (1, len(AUDIO))
    assert (counted.objects, counted.size_bytes) == (4, 3000 + len(AUDIO))
    assert counted.kept == {Fate.UPLOADING: 1, Fate.REFUSED_KEY: 1, Fate.HELD: 2}
    assert counted.live == 8 + 2
    assert counted.without_expiry == 1
    assert counted.oldest_due_at == now - 2 * DAY


def test_a_plan_changes_nothing(record, stored, plan, entries, add_orphan, queue):
    message_id, key = record(), add_orphan("orphan")
    before = stored(message_id)
    plan()
    assert stored(message_id) == before
    assert is_in_bucket(before.audio_storage_key)
    assert queue() == {key: None}
    assert entries() == []


def test_a_plan_of_nothing_is_empty(stage, plan):
    empty = plan()
    assert (empty.objects, empty.live, empty.overdue, empty.oldest_due_at) == (0, 0, 0, None)


def test_a_plan_is_the_same_read_in_pages(record, add_orphan, plan, monkeypatch):
    for number in range(7):
        record(due_for=(1 + number // 3) * DAY)  # ties across pages
        add_orphan(f"orphan-{number}")
    whole = plan()
    monkeypatch.setattr(planning, "ROWS_AT_ONCE", 2)
    assert plan() == whole
    assert whole.objects == 14


def test_audio_is_overdue_three_days_after_it_was_due(record, hold, plan):
    record(due_for=3 * DAY)
    record(due_for=3 * DAY - timedelta(microseconds=1))
    record(due_for=4 * DAY, audio=None, audio_storage_key="../x")
    record(due_for=4 * DAY, audio_processing_state="uploading")
    hold(record(due_for=90 * DAY))
    assert plan().overdue == 3


@pytest.mark.parametrize("expiry", ["-infinity", "0044-03-15 BC", "infinity", "10000-01-01"])
@pytest.mark.parametrize("scope", HoldScope)
def test_a_held_recording_whose_expiry_is_no_date_is_held_and_not_overdue(
    record, add_user, add_conversation, hold, plan, run_sql, expiry, scope
):
    learner = add_user()
    conversation = add_conversation(user_id=learner)
    held = record(conversation=conversation)
    record(due_for=-DAY)
    run_sql(f"UPDATE messages SET audio_retention_expires_at = '{expiry}' WHERE id = '{held}'")
    free = plan()
    assert free.kept == {Fate.UNREADABLE_TIME: 1}
    assert free.overdue == (expiry in {"-infinity", "0044-03-15 BC"})
    hold({"message": held, "conversation": conversation, "user": learner}[scope], scope)
    assert (plan().kept, plan().overdue) == ({Fate.HELD: 1}, 0)


def test_the_end_that_counts_for_being_overdue_is_the_effective_one(
    record, add_user, add_subscription, add_conversation, plan, now
):
    learner = add_user()
    add_subscription(learner, current_tier="plus")
    late_upgrade = now - GRACE - 89 * DAY
    record(due_for=50 * DAY, conversation=add_conversation(user_id=learner), timestamp=late_upgrade)
    assert (plan().objects, plan().overdue) == (0, 0)


# The plan's number


def test_the_number_stays_while_the_plan_does(record, add_orphan, plan, run_sql):
    record()
    add_orphan("orphan")
    number = plan().digest
    record(due_for=-DAY)  # not due
    run_sql("UPDATE messages SET content = 'other words', audio_url = NULL")
    assert plan().digest == number


def test_the_number_changes_with_what_is_due(record, add_orphan, plan, run_sql):
    ids = [record() for _ in range(2)]
    numbers = [plan().digest]
    record()
    numbers.append(plan().digest)
    run_sql("UPDATE messages SET audio_storage_key = 'audio/u/c/x' WHERE id = :id", id=ids[0])
    numbers.append(plan().digest)
    add_orphan("orphan")
    numbers.append(plan().digest)
    run_sql("UPDATE messages SET audio_deleted_at = now() WHERE id = :id", id=ids[1])
    numbers.append(plan().digest)
    assert len(set(numbers)) == 5


def test_the_number_changes_with_how_and_where_and_when(record, plan, rules, now, move_to):
    record()
    others = [
        SweepRules(now, GRACE, soft_delete=False),
        SweepRules(now, GRACE - timedelta(seconds=1), soft_delete=True),
        SweepRules(now + timedelta(seconds=1), GRACE, soft_delete=True),
    ]
    numbers = {plan(rules).digest for rules in (rules, *others)}
    move_to(marker=True)
    numbers.add(plan().digest)
    assert len(numbers) == 5


# The sample


def test_the_sample_is_small_and_the_same_each_time(record, plan):
    for _ in range(SAMPLE_SIZE + 15):
        record(audio=None)
    sample = plan().sample
    assert len(set(sample)) == SAMPLE_SIZE
    assert plan().sample == sample


def test_recordings_that_an_earlier_run_may_have_deleted_prove_nothing(
    record, stored, plan, before_deleting, sweep
):
    under_way, fresh = record(due_for=9 * DAY), record()

    def die():
        raise KeyboardInterrupt

    before_deleting(die)
    with pytest.raises(KeyboardInterrupt):
        sweep(page_size=1)
    assert plan().objects == 2
    assert plan().sample == (stored(fresh).audio_storage_key,)
    assert stored(under_way).audio_url is None


# The right bucket


def test_our_bucket_is_proven_by_its_marker_and_what_is_due(record, plan, rules):
    record()
    check_bucket.fn(plan(), rules)


def test_a_bucket_without_a_marker_is_refused(record, plan, rules, move_to):
    record()
    move_to(marker=False)
    with pytest.raises(WrongBucket):
        check_bucket.fn(plan(), rules)


def test_a_bucket_that_does_not_exist_is_refused(record, plan, rules, monkeypatch):
    record()
    monkeypatch.setenv("TIGRIS_BUCKET_NAME", "no-such-bucket")
    storage.bucket.cache_clear()
    with pytest.raises(WrongBucket):
        check_bucket.fn(plan(), rules)


@pytest.mark.parametrize("due_for", [DAY, -DAY], ids=["all due", "some not due"])
def test_another_environments_bucket_is_refused_in_spite_of_its_marker(
    record, plan, rules, move_to, due_for
):
    for _ in range(3):
        record()
        record(due_for=due_for)
    move_to(marker=True)
    with pytest.raises(UnprovenBucket) as refused:
        check_bucket.fn(plan(), rules)
    assert (refused.value.found, refused.value.sampled) == (0, 6)


@pytest.mark.parametrize(("there", "missing", "proven"), [(2, 2, True), (1, 2, False)])
def test_half_of_what_is_due_proves_the_bucket(record, plan, rules, there, missing, proven):
    for _ in range(there):
        record()
    for _ in range(missing):
        record(audio=None)
    if proven:
        check_bucket.fn(plan(), rules)
    else:
        with pytest.raises(UnprovenBucket):
            check_bucket.fn(plan(), rules)


def test_if_due_objects_are_missing_others_prove_the_bucket(record, plan, rules):
    for _ in range(5):
        record(audio=None)
    record(due_for=-DAY)
    record(due_for=-DAY, audio=None, audio_processing_state="uploading")  # is not requested
    record(due_for=-DAY, audio=None, audio_processing_state="pending")  # nor this
    record(due_for=-DAY, audio=None, audio_storage_key="../x")  # nor this
    check_bucket.fn(plan(), rules)


def test_without_anything_due_the_marker_is_enough(record, plan, rules, move_to):
    record(due_for=-DAY)
    move_to(marker=True)
    check_bucket.fn(plan(), rules)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (answered(403, "ExpiredToken"), StorageDenied),
        (answered(503, "SlowDown"), StorageUnavailable),
        (lost_request, StorageUnavailable),
    ],
    ids=["expired", "503", "reset"],
)
def test_a_bucket_that_does_not_answer_is_not_proven(
    record, plan, rules, faulty_bucket, fault, error
):
    record()
    faulty_bucket.on(lambda request: request.key == MARKER_KEY, fault)
    with pytest.raises(error):
        check_bucket.fn(plan(), rules)


def test_orphans_that_wait_too_long_are_overdue_including_refused_ones(add_orphan, hold, plan, now):
    late = now - 4 * DAY
    add_orphan("late", queued_at=late)
    add_orphan("new")
    add_orphan("held", queued_at=late)
    hold("held")
    add_orphan("refused", queued_at=late, refused="a key that is not ours")
    add_orphan("refused lately", refused="a key that is not ours")
    counted = plan()
    assert counted.overdue == 2
    assert counted.kept == {Fate.HELD: 1, Fate.REFUSED_KEY: 2}
    assert counted.orphans == 2


def test_a_held_orphan_is_not_overdue_even_if_its_key_is_refused(add_orphan, hold, plan, now):
    late = now - 4 * DAY
    add_orphan("marked", queued_at=late, refused="a key that is not ours")
    add_orphan("unmarked", queued_at=late, storage_key="exports/report.wav")
    assert plan().overdue == 2
    hold("marked")
    hold("unmarked")
    assert (plan().overdue, plan().kept) == (0, {Fate.REFUSED_KEY: 2})


def test_a_forbidden_prefix_keeps_the_rest_from_no_sweep(record, plan, rules, faulty_bucket):
    record(audio_storage_key="audio/denied/a.wav")
    for _ in range(3):
        record()
    faulty_bucket.on(
        lambda request: request.key.startswith("audio/denied/"), answered(403, "AccessDenied")
    )
    found = plan()
    assert "audio/denied/a.wav" in found.sample
    check_bucket.fn(found, rules)


def test_a_bucket_that_refuses_every_recording_is_not_proven(record, plan, rules, faulty_bucket):
    record()
    faulty_bucket.on(
        lambda request: request.key.startswith("audio/"), answered(403, "AccessDenied")
    )
    with pytest.raises(UnprovenBucket):
        check_bucket.fn(plan(), rules)
