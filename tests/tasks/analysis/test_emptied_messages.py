"""`TRUNCATE messages` by the app: our triggers do not run, and nothing may be lost."""

import psycopg
import pytest
import sqlalchemy as sa

from schema.states import UserTier
from tasks.sweep.planning import plan_sweep
from tests.support.sweeping import DAY, is_in_bucket

pytestmark = pytest.mark.usefixtures("stage")

TRUNCATE = "TRUNCATE messages CASCADE"
WITH_ROWS_OF_MESSAGES = sa.text("""
SELECT c.conrelid::regclass::text FROM pg_constraint AS c
WHERE c.contype = 'f' AND c.confrelid = 'messages'::regclass
""")


@pytest.fixture
def keys(record, stored):
    """Three recordings due for deletion, and three that are not."""
    ids = [record(UserTier.FREE, due_for) for due_for in (DAY, -DAY) for _ in range(3)]
    return [stored(message_id).audio_storage_key for message_id in ids]


def test_messages_are_not_emptied_by_mistake(keys, run_sql):
    with pytest.raises(sa.exc.DBAPIError) as error:
        run_sql("TRUNCATE messages")
    assert isinstance(error.value.orig, psycopg.errors.FeatureNotSupported)


def test_truncate_cascade_keeps_ledger_holds_tombstones_and_orphans(
    engine, keys, run_sql, hold, add_orphan, queue, entries, sweep
):
    hold(hold_on := "free-3")
    orphan = add_orphan("orphan")
    sweep()
    add_orphan("another")
    finished = entries()
    assert len(finished) == 4
    run_sql(TRUNCATE)
    with engine.connect() as connection:
        emptied = set(connection.execute(WITH_ROWS_OF_MESSAGES).scalars())
        for table in ("deletion_ledger", "legal_hold", "erased_learner", "orphan_object"):
            assert f"audio_ops.{table}" not in emptied
        holds = connection.execute(sa.text("SELECT subject_id FROM audio_ops.legal_hold")).all()
    assert [tuple(row) for row in holds] == [(hold_on,)]
    assert entries() == finished
    assert len(queue()) == 1
    assert orphan not in queue()


def test_after_it_a_sweep_deletes_nothing(keys, run_sql, sweep, queue, entries):
    run_sql(TRUNCATE)
    report = sweep()
    assert (report.objects, report.failed, report.broken) == (0, {}, None)
    assert all(map(is_in_bucket, keys))
    assert queue() == {}
    assert entries() == []


def test_after_truncate_intents_of_a_killed_sweep_wait_for_approval(
    keys, run_sql, sweep, before_deleting, rules, queue
):
    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    before_deleting(kill)
    with pytest.raises(Killed):
        sweep()
    run_sql(TRUNCATE)
    assert sweep().objects == 0
    assert all(map(is_in_bucket, keys))
    assert queue().keys() == set(keys[:3])
    plan = plan_sweep.fn(rules)
    assert plan.objects == plan.live == 3  # above any share: the flow asks for approval


def test_after_it_every_object_is_found_to_belong_to_no_message(keys, run_sql, reconcile):
    run_sql(TRUNCATE)
    report = reconcile()
    assert (report.rows, report.adopted, report.count) == (0, 0, 6)


def test_messages_that_the_app_saves_again_adopt_what_was_theirs(
    put, add_conversation, add_user, add_message, run_sql, reconcile, stored
):
    learner = add_user()
    conversation = add_conversation(user_id=learner)
    key = put(f"audio/{learner}/{conversation}/m_1760000000000.wav", bytes(48_000))
    message = {"id": "m", "conversation_id": conversation}
    add_message(**message, audio_storage_key=key, audio_size_bytes=48_000)
    run_sql(TRUNCATE)
    add_message(**message, audio_storage_key=None, audio_processing_state="pending")
    report = reconcile(repair=True)
    assert (report.adopted, report.findings) == (1, ())
    assert stored("m").audio_storage_key == key
