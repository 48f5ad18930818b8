"""Faults of a database: refused before anything is changed, or resumed later."""

import dataclasses
import itertools
import re
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from local.postgres import PostgresServer
from local.postgres_home import (
    binaries,
    find_home,
    prepare_home,
    server_account,
)
from migrations import locking, run
from migrations.adoption import live
from migrations.adoption.execute import Patience
from schema.errors.adoption import LockNotGranted, NotAdoptable, StepFailed
from stores import database
from tests.support.app_database import (
    ALL_MIGRATIONS,
    HALF,
    PEOPLE,
    READ,
    TABLES,
    add_texts,
    catalogue,
    contents,
    make,
    numbers,
)
from tests.support.killing import run_all, run_until_killed

IMPATIENT = Patience(attempts=2, pause_seconds=0.1)
SCORE = "pronunciation_score"
# What makes a database that cannot be adopted, and what is said of it.
OBSTACLES = {
    "a view called messages": (
        "ALTER TABLE messages RENAME TO m; CREATE VIEW messages AS SELECT * FROM m",
        "messages is a view",
    ),
    "a partitioned table": (
        "ALTER TABLE messages RENAME TO m;"
        "CREATE TABLE messages (LIKE m INCLUDING DEFAULTS) PARTITION BY HASH (id)",
        "messages is a partitioned table",
    ),
    "a foreign table": (
        "ALTER TABLE messages RENAME TO m; CREATE FOREIGN DATA WRAPPER w;"
        "CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE messages (id text) SERVER s",
        "messages is a foreign table",
    ),
    "no conversations": ("DROP TABLE conversations CASCADE", "The table conversations is missing"),
    "another app's messages": (
        "ALTER TABLE messages DROP COLUMN conversation_id",
        "messages.conversation_id is missing",
    ),
    "ids of another type": (
        "ALTER TABLE messages DROP CONSTRAINT messages_pkey CASCADE;"
        "ALTER TABLE messages ALTER id TYPE uuid USING gen_random_uuid()",
        "messages.id is uuid, not text",
    ),
    "analyses of nothing": (
        "ALTER TABLE message_audio_analysis DROP COLUMN message_id",
        "message_audio_analysis.message_id is missing",
    ),
    "text in place of an instant": (
        "ALTER TABLE messages ALTER audio_retention_expires_at TYPE text",
        "messages.audio_retention_expires_at is text, not timestamp without time zone",
    ),
    "an interval of old": (
        "ALTER TABLE messages RENAME audio_duration_ms TO audio_duration;"
        "ALTER TABLE messages ALTER audio_duration TYPE interval USING NULL",
        "messages.audio_duration is interval, not integer",
    ),
    "sizes that no integer holds": (
        "ALTER TABLE messages ALTER audio_size_bytes TYPE bigint;"
        f"{PEOPLE}; INSERT INTO messages (id, conversation_id, role, content, audio_size_bytes)"
        " VALUES ('a', 'c1', 'user', 'Hello', 3000000000)",
        "messages.audio_size_bytes holds numbers that no integer holds",
    ),
    "a generated column": (
        "ALTER TABLE messages DROP COLUMN audio_size_bytes, ADD COLUMN audio_size_bytes integer"
        " GENERATED ALWAYS AS (length(content)) STORED",
        "messages.audio_size_bytes is generated",
    ),
    "a view": (f"CREATE VIEW v AS SELECT {SCORE} FROM messages", "view v uses it"),
    "a materialized view": (
        f"CREATE MATERIALIZED VIEW v AS SELECT {SCORE} FROM messages",
        "materialized view v uses it",
    ),
    "a view of the old duration": (
        "ALTER TABLE messages RENAME audio_duration_ms TO audio_duration;"
        "CREATE VIEW v AS SELECT audio_duration FROM messages",
        "messages.audio_duration must be changed, but view v uses it",
    ),
    "a view of the old timings": (
        "ALTER TABLE messages ADD COLUMN speech_timings jsonb;"
        "CREATE VIEW v AS SELECT speech_timings FROM messages",
        "messages.speech_timings must be changed, but view v uses it",
    ),
    "a rule": (
        f"CREATE RULE r AS ON UPDATE TO messages WHERE new.{SCORE} = '' DO INSTEAD NOTHING",
        "rule r on table messages uses it",
    ),
    "a trigger": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        f"CREATE TRIGGER g BEFORE UPDATE OF {SCORE} ON messages FOR EACH ROW EXECUTE FUNCTION f()",
        "trigger g on table messages uses it",
    ),
    "a policy": (
        f"CREATE POLICY p ON messages USING ({SCORE} IS NOT NULL)",
        "policy p on table messages uses it",
    ),
    "another column made of it": (
        f"ALTER TABLE messages ADD COLUMN twice text GENERATED ALWAYS AS ({SCORE} || 'x') STORED",
        "default value for column twice of table messages uses it",
    ),
    "a function": (
        f"CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT {SCORE} FROM messages; END",
        "function f() uses it",
    ),
    "a publication": (
        f"CREATE PUBLICATION p FOR TABLE messages WHERE ({SCORE} = '85')",
        "publication of table messages in publication p uses it",
    ),
    "a check": (
        f"ALTER TABLE messages ADD CONSTRAINT looks_right CHECK ({SCORE} <> 'n/a')",
        "constraint looks_right on table messages uses it",
    ),
    "an index of an expression": (
        f"CREATE INDEX i ON messages (lower({SCORE}))",
        "index i uses it",
    ),
    "an index of some rows": (
        f"CREATE INDEX i ON messages (id) WHERE {SCORE} <> ''",
        "index i uses it",
    ),
    "a newer version's tables": (
        "CREATE SCHEMA audio_ops; CREATE TABLE audio_ops.alembic_version (version_num text);"
        "INSERT INTO audio_ops.alembic_version VALUES ('9999')",
        "is at 9999, which this version of kaiwa-audio does not know",
    ),
}


@pytest.fixture
def adopted(url):
    """URL of a database that was adopted with its texts."""
    make(url, *HALF)
    add_texts(url)
    run.upgrade(url)
    return url


@pytest.fixture
def hasty(monkeypatch):
    """Short waits for locks."""
    monkeypatch.setattr(locking, "LOCK_TIMEOUT", timedelta(milliseconds=300))


@pytest.fixture
def add_role(administrator, url):
    """Create a login role with an odd name and rights on the test's database; return its URL."""
    roles = []

    def _add_role(*statements):
        role = f"odd-role-{uuid4().hex[:8]}"
        roles.append(role)
        administrator.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'odd'")
        make(url, *(statement.format(f'"{role}"') for statement in statements))
        return re.sub("//.*@", f"//{role}:odd@", url)

    yield _add_role
    for role in roles:
        make(url, f'REASSIGN OWNED BY "{role}" TO postgres', f'DROP OWNED BY "{role}"')
        administrator.execute(f'DROP ROLE "{role}"')


def state(url):
    with psycopg.connect(url) as connection:
        ours = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('audio_ops')"
            " ORDER BY 1"
        ).fetchall()
        return catalogue(url), contents(url), ours


def assert_refused(url, message, command=run.upgrade, owner_url=None):
    """Assert that a command fails with this message and changes nothing."""
    before = state(owner_url or url)
    with pytest.raises(NotAdoptable, match="Nothing was changed") as refused:
        command(url)
    assert message in str(refused.value)
    assert state(owner_url or url) == before


# Obstacles


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_obstacles_are_named_before_anything_is_changed(url, obstacle):
    statements, message = OBSTACLES[obstacle]
    make(url, *HALF, *statements.split(";") if "BEGIN" not in statements else [statements])
    assert_refused(url, message)
    if "newer" in obstacle:
        assert_refused(url, message, run.examine)
        assert_refused(url, message, run.preview)
    else:
        found = run.examine(url)
        assert not found.is_documented
        assert message in " ".join(found.obstacles)
        assert run.preview(url).obstacles == found.obstacles


def test_objects_that_postgres_rebuilds_are_no_obstacle(url):
    make(
        url,
        *HALF,
        f"CREATE INDEX i ON messages ({SCORE}, audio_duration_ms)",
        f"CREATE STATISTICS s ON {SCORE}, role FROM messages",
        "ALTER TABLE messages ALTER audio_size_bytes TYPE bigint,"
        " ADD CONSTRAINT is_any CHECK (audio_size_bytes > 0)",
        "CREATE VIEW v AS SELECT id, audio_storage_key FROM messages",
        "CREATE POLICY p ON messages USING (role = 'user')",
    )
    run.upgrade(url)
    run.check(url)


def test_a_server_older_than_13_is_refused(url, monkeypatch):
    make(url, *HALF)
    read = live.read
    monkeypatch.setattr(
        live, "read", lambda c: dataclasses.replace(read(c), server_version=120_022)
    )
    assert_refused(url, "This is Postgres 12; 13 or newer is needed")
    assert "Postgres 12" in run.examine(url).obstacles[0]


def test_a_read_only_server_is_refused_and_still_examined(url, administrator):
    make(url, *HALF)
    name = url.rpartition("/")[2]
    run.upgrade(url)
    administrator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    for command in (run.upgrade, run.rollback):
        assert_refused(url, "This server takes no writes", command)
    assert run.examine(url).is_documented


def test_a_standby_is_refused_and_still_examined(standby, database_url):
    url = standby.url(database_url.rpartition("/")[2])
    for command in (run.upgrade, run.rollback):
        assert_refused(url, "This server takes no writes, as replicas do not", command)
    assert run.examine(url).is_documented


@pytest.fixture
def standby(postgres, database_url):
    """A standby of the tests' server, which contains `database_url`."""
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-standby-"))
    folder.chmod(0o711)  # run as root, the server is another user
    # It only starts with at least as many connections as the primary allows.
    server = PostgresServer(folder, {"fsync": "off", "max_connections": "200"})
    prepare_home(folder)
    home, account = find_home(folder), server_account()
    copy = ["--pgdata", home / "data", "--write-recovery-conf", "--checkpoint", "fast", "--no-sync"]
    subprocess.run(
        [binaries(home) / "pg_basebackup", "--dbname", postgres.url(), *copy],
        check=True,
        cwd=home,
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=[] if account else None,
    )
    (home / "password").write_text(find_home(postgres.folder).joinpath("password").read_text())
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)
        shutil.rmtree(folder, ignore_errors=True)


def test_objects_that_use_a_column_changed_by_a_rollback_are_named_first(adopted):
    for use, message in (
        (f"VIEW v AS SELECT {SCORE} FROM messages", f"messages.{SCORE}"),
        (f"INDEX v ON messages (id) WHERE {SCORE} > 90", f"messages.{SCORE}"),
    ):
        make(adopted, f"CREATE {use}")
        assert_refused(adopted, message, run.rollback)
        make(adopted, f"DROP {use.split(' ', maxsplit=1)[0]} v")
    run.rollback(adopted)


def test_a_rollback_of_what_a_newer_version_has_made_is_refused(adopted):
    make(adopted, "UPDATE audio_ops.alembic_version SET version_num = '9999'")
    assert_refused(adopted, "is at 9999", run.rollback)


def test_a_rollback_where_nothing_was_adopted_changes_nothing(url):
    make(url, *HALF)
    before = state(url)
    assert run.rollback(url) == ()
    assert state(url) == before


# Roles


def test_a_role_that_does_not_own_the_tables_is_refused(url, add_role):
    make(url, *HALF)
    other = add_role("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}")
    assert_refused(other, "does not own messages", owner_url=url)
    assert_refused(other, "may not create the schema audio_ops", owner_url=url)
    assert_refused(other, "may not create tables and indexes in the schema public", owner_url=url)


def test_a_role_that_may_not_read_gets_an_error(url, add_role):
    make(url, *HALF)
    other = add_role()
    assert_refused(other, "does not own messages", owner_url=url)
    with pytest.raises(Exception, match="permission denied for table messages"):
        run.examine(other)


def test_a_member_of_the_owner_adopts_and_leaves_the_analyses_to_the_owner(url, add_role):
    make(url, TABLES, "CREATE ROLE app_owner NOLOGIN", "GRANT CREATE ON SCHEMA public TO app_owner")
    try:
        make(url, _own_all("app_owner"))
        other = add_role(
            "GRANT app_owner TO {}",
            "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO"
            " {}', current_database()); END $$",
        )
        run.upgrade(other)
        run.check(url)
        with psycopg.connect(url) as connection:
            owner = connection.execute(
                "SELECT tableowner FROM pg_tables WHERE tablename = 'message_audio_analysis'"
            ).fetchone()
        assert owner == ("app_owner",)
        run.rollback(other)
    finally:
        make(url, "REASSIGN OWNED BY app_owner TO postgres", "DROP OWNED BY app_owner")
        make(url, "DROP ROLE app_owner")


def _own_all(role):
    return f"""
        DO $$ DECLARE t text; BEGIN
            FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
                EXECUTE format('ALTER TABLE %I OWNER TO {role}', t);
            END LOOP;
        END $$"""


def test_a_role_that_does_not_own_our_schema_is_refused(adopted, add_role):
    other = add_role("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}")
    make(adopted, f'GRANT USAGE ON SCHEMA audio_ops TO "{_role(other)}"')
    make(adopted, f'GRANT SELECT ON ALL TABLES IN SCHEMA audio_ops TO "{_role(other)}"')
    for command in (run.upgrade, run.rollback):
        assert_refused(other, "does not own all tables in the schema audio_ops", command, adopted)


def _role(url):
    return url.partition("//")[2].partition(":")[0]


def test_a_role_from_which_row_security_hides_rows_is_refused(url, add_role):
    make(url, *HALF)
    add_texts(url)
    other = add_role("GRANT CREATE ON SCHEMA public TO {}", "CREATE SCHEMA audio_ops")
    make(
        url,
        _own_all(f'"{_role(other)}"'),
        f'ALTER SCHEMA audio_ops OWNER TO "{_role(other)}"',
        "ALTER TABLE messages ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE messages FORCE ROW LEVEL SECURITY",
        "CREATE POLICY tutors ON messages USING (role = 'assistant')",
    )
    assert_refused(other, "Row security hides rows of messages", owner_url=url)
    make(url, "ALTER TABLE messages NO FORCE ROW LEVEL SECURITY")
    run.upgrade(other)
    assert numbers(url) == READ


# Locks


@contextmanager
def transaction(url, *statements, isolation="READ COMMITTED"):
    """An open transaction of the app; yields its process id."""
    with psycopg.connect(url, application_name="the app", autocommit=True) as connection:
        connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        for statement in statements:
            connection.execute(statement)
        yield connection.info.backend_pid


HOLDERS = {
    "a reader": "SELECT count(*) FROM messages",
    "a writer": "UPDATE messages SET content = content WHERE id = 'whole'",
    "a flow": "SELECT id FROM messages FOR UPDATE SKIP LOCKED",
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_session_that_locks_a_table_is_named_and_the_upgrade_continues_once_it_is_free(
    url, hasty, holder
):
    make(url, *HALF)
    add_texts(url)
    messages = []
    with transaction(url, HOLDERS[holder]) as pid:
        with pytest.raises(LockNotGranted) as refused:
            run.upgrade(url, say=messages.append, patience=IMPATIENT)
        assert numbers(url).keys() == READ.keys()
    name = rf"pid {pid} \(postgres, the app, idle in transaction, for \d+ s\)"
    assert re.search(name, str(refused.value))
    assert any(re.search(f"Waiting for messages: {name}", one) for one in messages)
    run.upgrade(url)
    run.check(url)
    assert numbers(url) == READ


@pytest.mark.parametrize("holder", ["a reader", "a writer"])
def test_a_session_that_locks_a_table_is_named_and_the_rollback_continues_once_it_is_free(
    url, hasty, holder
):
    make(url, *HALF)
    add_texts(url)
    before = contents(url)
    run.upgrade(url)
    with transaction(url, HOLDERS[holder]) as pid, pytest.raises(LockNotGranted) as refused:
        run.rollback(url, patience=IMPATIENT)
    assert f"pid {pid} " in str(refused.value)
    run.rollback(url)
    assert contents(url) == before


def test_the_apps_statements_go_through_between_the_attempts(url, hasty):
    make(url, *HALF)
    add_texts(url)
    patience = Patience(attempts=3, pause_seconds=0.3)
    waits = []
    is_over = threading.Event()

    def go_on():
        with psycopg.connect(url, autocommit=True) as app:
            while not is_over.is_set():
                began = time.monotonic()
                app.execute("UPDATE messages SET content = 'Bye' WHERE id = 'clock'")
                waits.append(time.monotonic() - began)

    app = threading.Thread(target=go_on)
    with transaction(url, HOLDERS["a reader"]):
        app.start()
        with pytest.raises(LockNotGranted):
            run.upgrade(url, patience=patience)
        is_over.set()
        app.join()
    assert len(waits) > 3
    assert max(waits) < 2 * 3 * 0.3 + 1  # never all attempts, on a busy machine


def test_the_transaction_that_an_index_waits_for_is_reported_while_it_waits(url):
    make(url, *ALL_MIGRATIONS)
    messages = []
    patience = Patience(attempts=2, pause_seconds=0.2)
    upgrade = threading.Thread(
        target=run.upgrade, args=(url,), kwargs={"say": messages.append, "patience": patience}
    )
    with transaction(url, "SELECT count(*) FROM users", isolation="REPEATABLE READ") as pid:
        upgrade.start()
        deadline = time.monotonic() + 30
        while not any("the end of a transaction" in one for one in messages):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
    upgrade.join()
    waits = [one for one in messages if "the end of a transaction" in one]
    assert len(waits) == 1
    assert f"pid {pid} (postgres, the app, idle in transaction" in waits[0]
    assert "pg_terminate_backend" in waits[0]
    run.check(url)


@pytest.mark.slow
def test_commands_at_once_take_turns(url):
    make(url, *HALF)
    add_texts(url)
    assert run_all(["upgrade", "rollback", "upgrade", "rollback"], url) == [0, 0, 0, 0]
    run.upgrade(url)
    run.check(url)
    assert numbers(url) == READ


def test_waiting_for_another_migrator_is_reported(url):
    messages = []
    engine = database.connect(url)
    upgrade = threading.Thread(target=run.upgrade, args=(url,), kwargs={"say": messages.append})
    with locking.exclusively(engine):
        upgrade.start()
        deadline = time.monotonic() + 30
        while not messages:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    upgrade.join()
    engine.dispose()
    assert messages[0] == "Another migrator is at work: waiting for it to finish."
    run.check(url)


# Interruptions

DOUBLED = (
    *HALF,
    "ALTER TABLE message_audio_analysis"
    " DROP CONSTRAINT message_audio_analysis_message_id_unique,"
    " DROP CONSTRAINT message_audio_analysis_message_id_messages_id_fk",
    "INSERT INTO message_audio_analysis (message_id, analyzed_at, overall_accuracy_score) VALUES"
    " ('whole', '2025-10-01', 70), ('whole', '2025-10-02', 80), ('clock', '2025-10-01', 60),"
    " ('gone', '2025-10-01', 50)",
)
# Ends the session that changes an object of the app's, in the middle of its transaction.
CRASH = """
CREATE SCHEMA faults;
CREATE FUNCTION faults.crash() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE schema_name = 'public') THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(10);
    END IF;
END $$;
CREATE EVENT TRIGGER crash ON ddl_command_end EXECUTE FUNCTION faults.crash();
ALTER EVENT TRIGGER crash DISABLE
"""


class Enough(Exception):
    """Ends a run at a chosen step."""


def break_off(command, url, steps):
    """Run a command with crashes; return the step that was interrupted, if any of the first was."""
    begun = itertools.count(1)

    def say(_):
        if next(begun) > steps:
            raise Enough

    make(url, "ALTER EVENT TRIGGER crash ENABLE ALWAYS")
    try:
        getattr(run, command)(url, say=say)
    except StepFailed as failed:
        return failed.step
    except Enough:
        return None
    finally:
        make(url, "ALTER EVENT TRIGGER crash DISABLE")


def break_off_everywhere(command, url, steps):
    """Run a command to its end, interrupting every step and killing its process after each.

    Args:
        command: Its name.
        url: Of the database.
        steps: Number of steps, one of them new, that a run begins before it is killed.
    """
    broken_off, killed = set(), 0
    is_over = False
    while not is_over:
        step = break_off(command, url, steps)
        # An INVALID index had to be dropped first.
        is_over = run_until_killed(command, url, steps + (step in broken_off - {None}))
        broken_off.add(step)
        killed += not is_over
    return len(broken_off - {None}), killed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statements", "duration"),
    [((TABLES,), "audio_duration"), (DOUBLED, "audio_duration_ms")],
    ids=["before 0023", "analyses without keys"],
)
def test_broken_off_and_killed_at_every_step_it_ends_well(url, statements, duration):
    make(url, *statements, CRASH)
    add_texts(url, duration)
    before = catalogue(url), contents(url)
    broken_off, killed = break_off_everywhere("upgrade", url, 1)
    assert min(broken_off, killed) >= 5
    run.check(url)
    assert run.upgrade(url) == run.Upgrade((), (), ())
    assert numbers(url) == READ
    for steps in (0, 1, 2):  # before anything, with our own tables gone, with the trigger gone
        assert not run_until_killed("rollback", url, steps)
    broken_off, killed = break_off_everywhere("rollback", url, 3)
    assert broken_off >= 1  # steps that drop are only killed: their command names no schema
    assert killed >= 3
    assert (catalogue(url), contents(url)) == before


@pytest.mark.slow
def test_an_upgrade_after_a_rollback_that_was_killed_ends_well(adopted):
    for steps in (1, 2, 3):
        assert not run_until_killed("rollback", adopted, steps)
        run.upgrade(adopted)
        run.check(adopted)
        assert numbers(adopted) == READ


def test_an_index_whose_build_failed_is_rebuilt(url):
    make(url, *HALF, "DROP INDEX messages_audio_cleanup_idx")
    build = (
        "CREATE INDEX CONCURRENTLY messages_audio_cleanup_idx"
        " ON messages (audio_retention_expires_at, audio_deleted_at)"
    )
    broken_off = pytest.raises(psycopg.errors.QueryCanceled)
    with transaction(url, "UPDATE messages SET content = ''"), broken_off:
        make(url, "SET statement_timeout = 300", build)
    with psycopg.connect(url) as connection:
        query = "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass"
        found = connection.execute(query, ["messages_audio_cleanup_idx"]).fetchone()
        assert found == (False,)
    found = {finding.name: finding.actual for finding in run.examine(url).drift}
    assert found["messages_audio_cleanup_idx"] == "INVALID"
    run.upgrade(url)
    run.check(url)


def test_lost_connections_are_reported_and_the_next_run_continues(url):
    make(url, *HALF)
    add_texts(url)
    failures = []

    def upgrade():
        try:
            run.upgrade(url)
        except (StepFailed, LockNotGranted) as failed:
            failures.append(failed)

    thread = threading.Thread(target=upgrade)
    cut = """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'kaiwa-audio migrations'
            AND EXISTS (SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock')
    """
    with transaction(url, HOLDERS["a reader"]), psycopg.connect(url, autocommit=True) as operator:
        thread.start()
        while operator.execute(cut).fetchone() == (0,):
            time.sleep(0.02)
        thread.join()
    assert failures[0].sqlstate == "57P01"
    run.upgrade(url)
    run.check(url)
    assert numbers(url) == READ


def test_truncating_the_tables_later_breaks_nothing(adopted):
    make(adopted, "TRUNCATE message_audio_analysis", "TRUNCATE messages CASCADE")
    assert run.upgrade(adopted) == run.Upgrade((), (), ())
    assert run.examine(adopted).is_documented
    run.rollback(adopted)
    run.upgrade(adopted)


def test_an_unknown_tier_is_left_alone(url):
    make(
        url,
        *HALF,
        "ALTER TYPE subscription_tier ADD VALUE 'lifetime'",
        PEOPLE,
        "UPDATE subscriptions SET current_tier = 'lifetime'",
    )
    before = contents(url)["subscriptions"]
    run.upgrade(url)
    assert run.examine(url).is_documented
    assert contents(url)["subscriptions"] == before


def test_a_database_that_an_earlier_version_migrated_is_examined(url):
    for version, pending in (("0002", "0003"), ("0004", "0005")):
        make(
            url,
            "CREATE SCHEMA audio_ops; CREATE TABLE audio_ops.alembic_version (version_num text)",
            f"INSERT INTO audio_ops.alembic_version VALUES ('{version}')",
        )
        assert run.examine(url).pending[0] == pending
        make(url, "DROP SCHEMA audio_ops CASCADE")
