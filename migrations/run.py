"""Migrate a database from Python, as the command line, the local stack and the tests do.

`migrations.adoption` brings the app's tables to the documented schema, whatever their state. Our
own tables in `audio_ops` are migrated by Alembic (`migrations.versions`).
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from migrations import locking
from migrations.adoption import earlier, examination, live, parked, preflight, survey
from migrations.adoption.documented import ANALYSIS
from migrations.adoption.examination import Examination, look
from migrations.adoption.execute import Patience, Say, carry_out, patiently
from migrations.adoption.live import Live
from migrations.adoption.plan import steps
from migrations.adoption.step import LONGEST_LOCK_SECONDS, Step
from migrations.adoption.survey import Survey, TextCount
from migrations.adoption.undo import undoing, used
from migrations.locking import exclusively
from schema.errors.adoption import AnalysesWouldGo, NotAdoptable
from schema.tables.base import OPERATIONS_SCHEMA
from stores.database import connect

APP_TABLES = Path(__file__).parent / "adoption" / "app_tables.sql"
_NOTES = sa.text("SELECT step FROM audio_ops.adoption_step ORDER BY id")
_HAS_NOTES = sa.text("SELECT to_regclass('audio_ops.adoption_step') IS NOT NULL")
_READ_ONLY = sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
_NEWER = (
    "audio_ops.alembic_version is at {}, which this version of kaiwa-audio does not know: a newer"
    " version has migrated the database. Install that version."
)
_CREATE_APP_TABLES = Step(
    "Create the app's tables, as this database has none of them (is it the right one?)",
    "nothing",
    (),
)
_COUNT_ANALYSES = sa.text("SELECT count(*) FROM public.message_audio_analysis")


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was carried out."""

    step: Step
    seconds: float


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade did; empty if everything was as documented."""

    done: tuple[Done, ...]
    texts: tuple[TextCount, ...]  # interpreted texts
    revisions: tuple[str, ...]  # applied revisions of our own tables


@dataclass(frozen=True, slots=True)
class Preview:
    """What an upgrade would do."""

    live: Live
    survey: Survey | None  # None if the tables are not the app's
    obstacles: tuple[str, ...]
    steps: tuple[Step, ...]
    revisions: tuple[str, ...]


def preview(url: str, *, longest_lock_seconds: float = LONGEST_LOCK_SECONDS) -> Preview:
    """Return what an upgrade would do, without writing anything."""
    with _engine(url) as engine, engine.connect() as connection:
        connection.execute(_READ_ONLY)
        revisions = _pending(url, connection)
        current, seen, obstacles = look(connection)
    if preflight.is_empty(current):
        return Preview(current, seen, obstacles, (_CREATE_APP_TABLES,), revisions)
    if seen is None or obstacles:
        return Preview(current, seen, obstacles, (), revisions)
    wanted = steps(current, seen, longest_lock_seconds=longest_lock_seconds)
    return Preview(current, seen, obstacles, tuple(wanted), revisions)


def examine(url: str) -> Examination:
    """Compare the database with the documented schema, without writing anything."""
    with _engine(url) as engine, engine.connect() as connection:
        connection.execute(_READ_ONLY)
        return examination.take(connection, pending=_pending(url, connection))


def upgrade(
    url: str,
    *,
    say: Say = lambda _: None,
    patience: Patience | None = None,
    longest_lock_seconds: float = LONGEST_LOCK_SECONDS,
) -> Upgrade:
    """Bring the database to the documented schema; idempotent.

    Only one migrator runs at a time; others wait. An interrupted upgrade resumes when it is run
    again.

    Args:
        url: Of the database.
        say: Called with each step as it begins.
        patience: How long to wait for locks.
        longest_lock_seconds: How long `messages` may be locked to convert text columns in place,
            as estimated from its size. If it would take longer, shadow columns are used.

    Raises:
        NotAdoptable: If there are obstacles; nothing was changed.
        LockNotGranted: If another session kept a table locked.
        StepFailed: If Postgres rejected a step.
    """
    patience = patience or Patience()
    # Checked under the lock, so that no other migrator is changing the schema.
    with _engine(url) as engine, exclusively(engine, say):
        _refuse_obstacles(url, engine)
        patiently(
            engine,
            "Create the tables for parked data",
            lambda: _prepare(engine, say),
            patience,
            say,
            "messages",
        )
        done, texts = _adopt(engine, say, patience, longest_lock_seconds)
        with engine.connect() as connection:
            revisions = _pending(url, connection)
        if revisions:
            what = f"Our own tables: {', '.join(revisions)}"
            say(what)
            config = _config(url)
            patiently(engine, what, lambda: command.upgrade(config, "head"), patience, say)
            # Now that our functions exist, the trigger can be created.
            more, _ = _adopt(engine, say, patience, longest_lock_seconds)
            done += more
    return Upgrade(tuple(done), tuple(texts), revisions)


def can_roll_back(url: str, *, drop_analyses: bool = False) -> bool:
    """Return whether there is anything to restore; changes nothing.

    Raises:
        NotAdoptable: If there are obstacles.
        AnalysesWouldGo: If it would drop analyses and `drop_analyses` does not allow it.
    """
    with _engine(url) as engine, engine.connect() as connection:
        if not connection.scalar(_HAS_NOTES):
            return False  # never upgraded
        notes = list(connection.execute(_NOTES).scalars())
        if notes:
            _refuse_rollback(url, connection, notes, drop_analyses=drop_analyses)
        return bool(notes)


def rollback(
    url: str,
    *,
    drop_analyses: bool = False,
    say: Say = lambda _: None,
    patience: Patience | None = None,
) -> tuple[Done, ...]:
    """Restore the app's tables to their earlier state, and park our own tables in `audio_ops`.

    Texts are restored byte for byte, unless the number has been written since.

    Raises:
        NotAdoptable: If there are obstacles; nothing was changed.
        AnalysesWouldGo: If it would drop analyses and `drop_analyses` does not allow it.
        LockNotGranted: If another session kept a table locked.
        StepFailed: If Postgres rejected a step.
    """
    patience = patience or Patience()
    with _engine(url) as engine, exclusively(engine, say):
        with engine.connect() as connection:
            if not connection.scalar(_HAS_NOTES):
                return ()  # never upgraded
            notes = list(connection.execute(_NOTES).scalars())
            if not notes:
                return ()  # already rolled back
            _refuse_rollback(url, connection, notes, drop_analyses=drop_analyses)
            columns = frozenset(live.read(connection).tables["messages"].columns)
        wanted, config = undoing(notes, columns), _config(url)
        what = "Park our own tables"
        say(what)
        patiently(engine, what, lambda: command.downgrade(config, "base"), patience, say)
        done = _carry_out_all(engine, wanted, say, patience)
    return tuple(done)


def downgrade(url: str, revision: str) -> None:
    """Downgrade our own tables to `revision` (`base`: undo all), parking data in `audio_ops`."""
    with _engine(url) as engine, exclusively(engine):
        command.downgrade(_config(url), revision)


def check(url: str) -> None:
    """Compare the database with the tables of `schema`.

    Raises:
        alembic.util.AutogenerateDiffsDetected: If they differ; it lists the differences.
        alembic.util.CommandError: If the database is not at the newest revision.
    """
    command.check(_config(url))


def _refuse_obstacles(url: str, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        _pending(url, connection)
        current = live.read(connection)
        # The catalogue first: a role without privileges cannot read the rows.
        found = preflight.obstacles(current) or preflight.obstacles_in_rows(
            survey.take(connection, current)
        )
    if found:
        raise NotAdoptable(tuple(found))


def _refuse_rollback(
    url: str, connection: sa.Connection, notes: list[str], *, drop_analyses: bool
) -> None:
    _pending(url, connection)
    current = live.read(connection)
    if found := preflight.obstacles_to_rollback(current, used(notes)):
        raise NotAdoptable(tuple(found))
    is_made_by_us = f"created {ANALYSIS}" in notes and ANALYSIS in current.tables
    if is_made_by_us and not drop_analyses and (analyses := connection.scalar(_COUNT_ANALYSES)):
        raise AnalysesWouldGo(analyses)


def _prepare(engine: sa.Engine, say: Say) -> None:
    """Create the tables for parked data, and in an empty database the app's tables."""
    with engine.begin() as connection:
        current = live.read(connection)
        if not current.has_our_schema:  # even with IF NOT EXISTS, Postgres requires CREATE
            connection.execute(sa.schema.CreateSchema(OPERATIONS_SCHEMA))
        if preflight.is_empty(current):
            say(f"{_CREATE_APP_TABLES.what} (locks {_CREATE_APP_TABLES.locks})")
            connection.execute(sa.text(APP_TABLES.read_text(encoding="utf-8")))
        for statement in (
            *parked.CREATE_TABLES,
            *earlier.statements(connection),
            parked.PROTECT_TABLES,
        ):
            connection.execute(sa.text(statement))


def _adopt(
    engine: sa.Engine, say: Say, patience: Patience, longest_lock_seconds: float
) -> tuple[list[Done], list[TextCount]]:
    with engine.connect() as connection:
        current = live.read(connection)
        seen = survey.take(connection, current)
    wanted = steps(current, seen, longest_lock_seconds=longest_lock_seconds)
    return _carry_out_all(engine, wanted, say, patience), list(seen.texts)


def _carry_out_all(
    engine: sa.Engine, wanted: list[Step], say: Say, patience: Patience
) -> list[Done]:
    done = []
    for step in wanted:
        say(f"{step.what} (locks {step.locks})")
        done.append(Done(step, carry_out(engine, step, patience, say)))
    return done


def _pending(url: str, connection: sa.Connection) -> tuple[str, ...]:
    """Return the pending revisions of our own tables, in the order in which they are applied."""
    context = MigrationContext.configure(
        connection, opts={"version_table_schema": OPERATIONS_SCHEMA}
    )
    script = ScriptDirectory.from_config(_config(url))
    known = [revision.revision for revision in reversed(list(script.walk_revisions()))]
    found = (earlier.VERSIONS.get(head, head) for head in context.get_current_heads())
    current = [head for head in found if head is not None]
    unknown = [head for head in current if head not in known]
    if unknown:
        raise NotAdoptable((_NEWER.format(", ".join(unknown)),))
    return tuple(known[known.index(current[-1]) + 1 :] if current else known)


@contextmanager
def _engine(url: str) -> Iterator[sa.Engine]:
    engine = connect(
        url,
        application_name="kaiwa-audio migrations",
        statement_timeout=timedelta(0),
        lock_timeout=locking.LOCK_TIMEOUT,
    )
    try:
        yield engine
    finally:
        engine.dispose()


def _config(url: str) -> Config:
    # Relative to this file, so that it works when installed.
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["url"] = url  # not an option, as options are interpolated and printed
    return config
