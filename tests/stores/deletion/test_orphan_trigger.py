"""Recordings whose message the app deletes: the trigger of migrations 0006, 0012 and 0014."""

import time
from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa

from schema.tables.deletion import OrphanObject
from stores.deletion import orphan_queue

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def app(database_url):
    """The app's connection; its statements are in autocommit."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def orphans(engine):
    """Return the queued orphans by key."""

    def _orphans():
        with engine.connect() as connection:
            rows = connection.execute(sa.select(OrphanObject.__table__)).all()
        return {row.storage_key: row for row in rows}

    return _orphans


@pytest.fixture
def cascading(app):
    """An app whose foreign keys cascade from the learner down to messages."""
    for table, column, parent in (
        ("conversations", "user_id", "users"),
        ("messages", "conversation_id", "conversations"),
    ):
        app.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_{column}_{parent}_id_fk,"
            f" ADD FOREIGN KEY ({column}) REFERENCES {parent} ON DELETE CASCADE"
        )


@pytest.fixture
def left(app):
    """Count the remaining messages."""
    return lambda: app.execute("SELECT count(*) FROM messages").fetchone()[0]


def key_of(user_id, conversation_id, name="m_1736072400000.wav"):
    return f"audio/{user_id}/{conversation_id}/{name}"


# Queueing


def test_a_deleted_messages_recording_is_queued_with_all_that_is_known(
    app, add_user, add_conversation, add_message, orphans
):
    user_id = add_user()
    conversation_id = add_conversation(user_id=user_id)
    message_id = add_message(
        conversation_id=conversation_id, audio_storage_key="audio/k.wav", audio_size_bytes=240_000
    )
    app.execute("DELETE FROM messages")
    orphan = orphans()["audio/k.wav"]
    assert (orphan.source, orphan.size_bytes) == ("message_deleted", 240_000)
    assert (orphan.message_id, orphan.conversation_id) == (message_id, conversation_id)
    assert orphan.user_id == user_id
    assert orphan.refused is None


def test_only_live_recordings_are_queued(app, add_message, orphans):
    add_message(audio_storage_key=None)
    add_message(audio_storage_key="deleted", audio_deleted_at=NOON)
    add_message(audio_storage_key="live", audio_processing_state="failed")
    app.execute("DELETE FROM messages")
    assert orphans().keys() == {"live"}


def test_a_deletion_that_is_rolled_back_queues_nothing(app, add_message, orphans):
    add_message()
    with app.transaction(force_rollback=True):
        app.execute("DELETE FROM messages")
    assert orphans() == {}


def test_a_guests_recording_is_queued_without_a_learner(
    app, add_conversation, add_message, orphans
):
    add_message(conversation_id=add_conversation(user_id=None), audio_storage_key="k")
    app.execute("DELETE FROM messages")
    assert orphans()["k"].user_id is None


def test_a_cascade_from_the_learner_queues_everything_with_the_owner_from_the_key(
    app, cascading, add_user, add_conversation, add_message, orphans
):
    user_id = add_user()
    conversations = [add_conversation(user_id=user_id) for _ in range(2)]
    keys = [key_of(user_id, conversation_id) for conversation_id in conversations]
    for conversation_id, key in zip(conversations, keys, strict=True):
        add_message(conversation_id=conversation_id, audio_storage_key=key)
    app.execute("DELETE FROM users WHERE id = %s", [user_id])
    assert {(o.storage_key, o.user_id) for o in orphans().values()} == {
        (key, user_id) for key in keys
    }


@pytest.mark.parametrize(
    "key",
    [
        "audio/abcdef01-2345-6789-abcd-ef0123456789/another/m.wav",
        "audio/guest/{conversation}/m.wav",
        "audio/abcdef01-2345-6789-abcd-ef0123456789x/{conversation}/m.wav",
        "old/audio/abcdef01-2345-6789-abcd-ef0123456789/{conversation}/m.wav",
        "{conversation}",
    ],
)
def test_after_a_cascade_a_key_of_another_form_leaves_the_learner_unknown(
    app, cascading, add_conversation, add_message, orphans, key
):
    conversation_id = add_conversation()
    key = key.format(conversation=conversation_id)
    add_message(conversation_id=conversation_id, audio_storage_key=key)
    app.execute("DELETE FROM conversations")
    assert (orphans()[key].user_id, orphans()[key].conversation_id) == (None, conversation_id)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_key_that_two_messages_shared_is_queued_once_without_an_owner(
    app, add_message, orphans, at_once
):
    ids = [add_message(audio_storage_key="shared") for _ in range(2)]
    add_message(audio_storage_key="own")
    if at_once:
        app.execute("DELETE FROM messages")
    else:
        for id_ in ids:
            app.execute("DELETE FROM messages WHERE id = %s", [id_])
    shared = orphans()["shared"]
    assert (shared.message_id, shared.conversation_id, shared.user_id) == (None, None, None)


def test_the_same_message_deleted_restored_and_deleted_again_stays_known(app, add_message, orphans):
    for _ in range(2):
        add_message(id="m", audio_storage_key="k")
        app.execute("DELETE FROM messages")
    assert orphans()["k"].message_id == "m"


def test_ten_thousand_messages_at_once_are_all_queued(app, add_conversation, orphans):
    app.execute(
        "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key)"
        " SELECT n, %s, 'user', 'a', 'audio/' || n FROM generate_series(1, 10000) AS n",
        [add_conversation()],
    )
    app.execute("DELETE FROM messages")
    assert len(orphans()) == 10_000


SIZES = [
    ("integer", "-1"),
    ("bigint", "9223372036854775807"),
    ("numeric", "NaN"),
    ("numeric", "1e30"),
    ("numeric", "-1"),
    ("numeric(30, 2)", "5497558138880.01"),
    ("float8", "NaN"),
    ("float8", "Infinity"),
    ("float8", "-Infinity"),
    ("float8", "1e30"),
    ("real", "1e30"),
]


@pytest.mark.parametrize(("type_", "size"), SIZES)
def test_a_size_that_no_object_can_have_is_queued_as_unknown_among_the_others(
    app, add_message, orphans, type_, size
):
    for key in ("a-good", "bad", "z-good"):
        add_message(id=key, audio_storage_key=key, audio_size_bytes=240_000)
    app.execute(f"ALTER TABLE messages ALTER audio_size_bytes TYPE {type_}")
    app.execute(f"UPDATE messages SET audio_size_bytes = '{size}' WHERE id = 'bad'")
    app.execute("DELETE FROM messages")
    assert {key: orphan.size_bytes for key, orphan in orphans().items()} == {
        "a-good": 240_000,
        "bad": None,
        "z-good": 240_000,
    }


@pytest.mark.parametrize("size", [0, 5 * 1024**4])
def test_the_smallest_and_the_largest_possible_size_are_kept(app, add_message, orphans, size):
    app.execute("ALTER TABLE messages ALTER audio_size_bytes TYPE numeric")
    add_message(audio_storage_key="k")
    app.execute("UPDATE messages SET audio_size_bytes = %s", [size])
    app.execute("DELETE FROM messages")
    assert orphans()["k"].size_bytes == size


def test_a_session_that_saw_the_column_widened_queues_on(app, add_message, orphans):
    add_message(audio_storage_key="before", audio_size_bytes=1)
    app.execute("DELETE FROM messages")
    app.execute("ALTER TABLE messages ALTER audio_size_bytes TYPE numeric")
    add_message(audio_storage_key="after", audio_size_bytes=2)
    app.execute("DELETE FROM messages")
    assert {key: orphan.size_bytes for key, orphan in orphans().items()} == {
        "before": 1,
        "after": 2,
    }


# It never fails the app's own statement


@pytest.fixture
def take_overflow(engine):
    """Queue what is in the overflow, as each flow does first; return how many."""

    def _take_overflow():
        with engine.begin() as connection:
            return orphan_queue.take_overflow(connection)

    return _take_overflow


@pytest.fixture
def warnings(app):
    """Collect the warnings of the app's connection."""
    messages = []
    app.add_notice_handler(lambda notice: messages.append(notice.message_primary))
    return messages


def test_a_queue_locked_for_a_second_delays_no_deletion_and_loses_nothing(
    engine, app, add_user, add_conversation, add_message, left, orphans, take_overflow, warnings
):
    user_id = add_user()
    conversation_id = add_conversation(user_id=user_id)
    ids = [
        add_message(conversation_id=conversation_id, audio_storage_key=f"k{number}")
        for number in range(100)
    ]
    slowest = 0.0
    with engine.begin() as other:
        other.execute(sa.text("LOCK TABLE audio_ops.orphan_object"))
        until = time.monotonic() + 1
        for id_ in ids:
            began = time.monotonic()
            app.execute("DELETE FROM messages WHERE id = %s", [id_])
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(max(0.0, min(0.01, until - time.monotonic())))
        time.sleep(max(0.0, until - time.monotonic()))
    assert (left(), warnings, orphans()) == (0, [], {})
    assert slowest < 1
    assert take_overflow() == 100
    assert take_overflow() == 0
    assert {(o.storage_key, o.message_id, o.user_id) for o in orphans().values()} == {
        (f"k{number}", id_, user_id) for number, id_ in enumerate(ids)
    }


def test_a_key_that_a_sweep_holds_delays_no_deletion_and_is_noted(
    engine, app, add_message, left, orphans, take_overflow, warnings
):
    add_message(audio_storage_key="shared")
    add_message(audio_storage_key="shared")
    add_message(audio_storage_key="own")
    app.execute("DELETE FROM messages WHERE id = 'message-0'")
    with engine.begin() as sweep:
        sweep.execute(sa.text("SELECT FROM audio_ops.orphan_object FOR UPDATE"))
        app.execute("SET statement_timeout = '150ms'")  # the app's own patience
        app.execute("DELETE FROM messages")
        orphan_queue.remove(sweep, ["shared"])  # deleted, after which it was orphaned again
    assert (left(), warnings) == (0, [])
    assert take_overflow() == 2
    assert orphans().keys() == {"shared", "own"}


def test_the_overflow_is_emptied_while_the_app_deletes(
    engine, app, add_message, orphans, take_overflow
):
    for number in range(3):
        add_message(id=f"m{number}", audio_storage_key=f"k{number}")
    with engine.begin() as other:
        other.execute(sa.text("LOCK TABLE audio_ops.orphan_object"))
        app.execute("DELETE FROM messages WHERE id = 'm0'")
    with app.transaction(), engine.begin() as other:
        other.execute(sa.text("SAVEPOINT queue; LOCK TABLE audio_ops.orphan_object"))
        app.execute("DELETE FROM messages WHERE id = 'm1'")
        other.execute(sa.text("ROLLBACK TO queue"))
        assert orphan_queue.take_overflow(other) == 1
        app.execute("DELETE FROM messages WHERE id = 'm2'")
    assert take_overflow() == 1
    assert orphans().keys() == {"k0", "k1", "k2"}


def test_a_key_that_overflows_twice_belongs_to_no_message(
    engine, app, add_message, orphans, take_overflow
):
    add_message(id="m0", audio_storage_key="k")
    add_message(id="m1", audio_storage_key="k")
    with engine.begin() as other:
        other.execute(sa.text("LOCK TABLE audio_ops.orphan_object"))
        for id_ in ("m0", "m1"):
            app.execute("DELETE FROM messages WHERE id = %s", [id_])
    assert take_overflow() == 1
    assert (orphans()["k"].message_id, orphans()["k"].user_id) == (None, None)


def test_with_queue_and_overflow_locked_the_app_waits_no_second(
    engine, app, add_message, left, warnings
):
    add_message()
    with engine.begin() as other:
        other.execute(sa.text("LOCK TABLE audio_ops.orphan_object, audio_ops.orphan_overflow"))
        app.execute("SET statement_timeout = '1s'")
        app.execute("DELETE FROM messages")
    assert left() == 0
    assert ["lock timeout" in warning for warning in warnings] == [True]  # for the reconciliation


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE audio_ops.orphan_object RENAME TO elsewhere",
        "DROP TABLE audio_ops.orphan_object",
        "ALTER TABLE audio_ops.orphan_object ADD CHECK (false)",
        "ALTER TABLE audio_ops.orphan_object DROP COLUMN size_bytes",
        "ALTER TABLE audio_ops.orphan_object DROP CONSTRAINT orphan_object_pkey",
        "ALTER SCHEMA audio_ops RENAME TO elsewhere",
    ],
)
def test_a_damaged_queue_stops_no_deletion(app, add_message, left, damage):
    add_message()
    app.execute(damage)
    app.execute("DELETE FROM messages")
    assert left() == 0


# It serves no other table


@pytest.fixture
def restored(app, app_role):
    """A role of a database restored without privileges: every role may use every function."""
    app.execute(
        f"""
        GRANT USAGE ON SCHEMA audio_ops TO {app_role};
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA audio_ops TO PUBLIC;
        GRANT TRIGGER ON messages TO {app_role};
        SET ROLE {app_role}
        """
    )
    return app_role


@pytest.mark.parametrize(
    "kind",
    [
        "CREATE TEMP TABLE mine (LIKE public.messages)",
        "CREATE TEMP TABLE messages (LIKE public.messages)",
        "CREATE TEMP TABLE mine (LIKE public.messages) PARTITION BY HASH (id);"
        "CREATE TEMP TABLE part PARTITION OF mine FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    ],
)
def test_on_a_table_of_its_own_a_role_queues_nothing(app, restored, orphans, kind):
    app.execute(kind)
    mine = "pg_temp.messages" if "TABLE messages" in kind else "pg_temp.mine"
    app.execute(
        f"CREATE TRIGGER mine AFTER DELETE ON {mine} REFERENCING OLD TABLE AS deleted"
        " FOR EACH STATEMENT EXECUTE FUNCTION audio_ops.queue_orphans();"
        f"INSERT INTO {mine} (id, conversation_id, role, content, timestamp, audio_storage_key)"
        " VALUES ('m', 'c', 'user', 'a', now(), 'audio/of/others')"
    )
    with pytest.raises(psycopg.Error, match="only deletions from public"):
        app.execute(f"DELETE FROM {mine}")
    app.execute("RESET ROLE")
    assert orphans() == {}


def test_a_view_cannot_feed_it(app, restored, orphans):
    app.execute("CREATE TEMP VIEW mine AS SELECT 'audio/of/others' AS audio_storage_key")
    app.execute(
        "CREATE TRIGGER mine INSTEAD OF DELETE ON mine FOR EACH ROW"
        " EXECUTE FUNCTION audio_ops.queue_orphans()"
    )
    with pytest.raises(psycopg.Error, match="only deletions from public"):
        app.execute("DELETE FROM mine")
    app.execute("RESET ROLE")
    assert orphans() == {}


def test_another_trigger_on_messages_cannot_pass_new_rows_for_deleted_ones(
    app, restored, add_conversation, orphans
):
    conversation_id = add_conversation()
    app.execute(
        "CREATE TRIGGER mine AFTER INSERT ON messages REFERENCING NEW TABLE AS deleted"
        " FOR EACH STATEMENT EXECUTE FUNCTION audio_ops.queue_orphans()"
    )
    with pytest.raises(psycopg.Error, match="only deletions from public"):
        app.execute(
            "INSERT INTO messages (id, conversation_id, role, content, audio_storage_key)"
            " VALUES ('m', %s, 'user', 'a', 'audio/of/others')",
            [conversation_id],
        )
    app.execute("RESET ROLE; DROP TRIGGER mine ON messages")
    assert orphans() == {}


@pytest.fixture
def app_role(app):
    """A role that owns nothing and has rights on the app's tables only."""
    app.execute(
        "DROP ROLE IF EXISTS app_of_test; CREATE ROLE app_of_test;"
        "GRANT SELECT, INSERT, DELETE ON messages TO app_of_test"
    )
    yield "app_of_test"
    app.execute("RESET ROLE; DROP OWNED BY app_of_test; DROP ROLE app_of_test")


def test_a_role_without_rights_on_our_schema_deletes_and_the_key_is_queued(
    app, app_role, add_message, orphans
):
    add_message(audio_storage_key="k")
    app.execute(f"SET ROLE {app_role}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("SELECT FROM audio_ops.orphan_object")
    app.execute("DELETE FROM messages")
    assert orphans().keys() == {"k"}


def test_the_function_cannot_be_called_by_hand(app, app_role):
    app.execute(f"GRANT USAGE ON SCHEMA audio_ops TO {app_role}")
    app.execute(f"SET ROLE {app_role}")
    with pytest.raises(psycopg.Error, match="permission denied for function"):
        app.execute("SELECT audio_ops.queue_orphans()")


def test_a_hostile_search_path_has_no_effect(
    app, app_role, add_user, add_conversation, add_message, orphans
):
    user_id = add_user()
    conversation_id = add_conversation(user_id=user_id)
    add_message(conversation_id=conversation_id, audio_storage_key="k")
    app.execute(
        f"""
        CREATE SCHEMA hostile;
        GRANT ALL ON SCHEMA hostile TO {app_role};
        SET ROLE {app_role};
        SET search_path = hostile, pg_temp, pg_catalog, public;
        CREATE TEMP TABLE deleted (LIKE public.messages);
        CREATE TEMP TABLE conversations (id text, user_id uuid);
        CREATE TABLE orphan_object (storage_key text);
        CREATE FUNCTION max(integer) RETURNS integer LANGUAGE plpgsql
            AS $$ BEGIN RAISE 'called as %', current_user; END $$
        """
    )
    with pytest.raises(psycopg.Error, match="called as app_of_test"):
        app.execute("SELECT max(1)")
    app.execute("DELETE FROM public.messages")
    app.execute("RESET ROLE")
    assert orphans()["k"].user_id == user_id


def test_the_time_of_queueing_is_right_in_any_time_zone(app, add_message, orphans):
    add_message(audio_storage_key="k")
    app.execute("SET TimeZone = 'Asia/Tokyo'")
    before = app.execute("SELECT now()").fetchone()[0]
    app.execute("DELETE FROM messages")
    after = app.execute("SELECT now()").fetchone()[0]
    assert before <= orphans()["k"].queued_at <= after


def test_without_our_schema_the_app_deletes_as_if_it_had_never_been(app, add_message, left):
    add_message()
    warnings = []
    app.execute("DROP SCHEMA audio_ops CASCADE")
    app.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
    app.execute("DELETE FROM messages")
    assert (left(), warnings) == (0, [])
    triggers = app.execute(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'messages'::regclass AND NOT tgisinternal"
    )
    assert triggers.fetchone() == (0,)
