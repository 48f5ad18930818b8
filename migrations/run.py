"""Migrate a database from Python: the command line, the local stack and the tests all do.

The app's tables are adopted, whatever state they are in (`migrations.adoption`); our own tables in
`audio_ops` have Alembic's versions (`migrations.versions`).
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from migrations.adoption import diagnosis, earlier, live, parked, preflight, rights, survey
from migrations.adoption.diagnosis import Finding
from migrations.adoption.execute import Patience, carry_out
from migrations.adoption.live import Live
from migrations.adoption.plan import LONGEST_LOCK_SECONDS, steps
from migrations.adoption.rights import Rights
from migrations.adoption.step import Step
from migrations.adoption.survey import Survey, TextCount
from migrations.adoption.undo import undoing
from migrations.locking import exclusively
from schema.errors import AnalysesWouldGo, NotAdoptable
from schema.tables.base import OPERATIONS_SCHEMA
from stores.database import connect

LOCK_TIMEOUT = timedelta(seconds=2)  # the app's statements queue behind a migration that waits
_APP_TABLES = Path(__file__).parent / "adoption" / "app_tables.sql"
_NOTES = sa.text("SELECT step FROM audio_ops.adoption_step ORDER BY id")
_HAS_NOTES = sa.text("SELECT to_regclass('audio_ops.adoption_step') IS NOT NULL")
_READ_ONLY = sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
_HAS_DRIZZLE = sa.text(
    "SELECT COALESCE(has_table_privilege(to_regclass('drizzle.__drizzle_migrations'), 'SELECT'),"
    " false)"
)
_DRIZZLE = sa.text(
    "SELECT count(*), to_timestamp(max(created_at) / 1000.0) FROM drizzle.__drizzle_migrations"
)
_COUNT_ANALYSES = sa.text("SELECT count(*) FROM public.message_audio_analysis")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was carried out."""

    step: Step
    seconds: float


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade did; nothing, if all was as documented."""

    done: tuple[Done, ...]
    texts: tuple[TextCount, ...]  # that were interpreted
    revisions: tuple[str, ...]  # of our own tables


@dataclass(frozen=True, slots=True)
class Preview:
    """What an upgrade would do."""

    live: Live
    survey: Survey
    obstacles: tuple[str, ...]
    steps: tuple[Step, ...]
    revisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drizzle:
    """The app's own tracking of its migrations, which is told but never trusted."""

    migrations: int
    newest_at: datetime | None  # UTC; when the newest was made


@dataclass(frozen=True, slots=True)
class Examination:
    """What a database has, beside what it should have."""

    live: Live
    survey: Survey
    obstacles: tuple[str, ...]
    findings: tuple[Finding, ...]
    pending: tuple[str, ...]  # revisions of our own tables
    drizzle: Drizzle | None
    rights: Rights

    @property
    def drift(self) -> tuple[Finding, ...]:
        """What is not as documented."""
        return tuple(finding for finding in self.findings if not finding.is_as_documented)

    @property
    def is_documented(self) -> bool:
        """Whether an upgrade would do nothing."""
        rows = self.survey.duplicates or self.survey.orphans or self.survey.unmerged
        return not (self.drift or self.pending or self.obstacles or rows)


def preview(url: str, *, longest_lock_seconds: float = LONGEST_LOCK_SECONDS) -> Preview:
    """Look what an upgrade would do; nothing is written."""
    with _engine(url) as engine, engine.connect() as connection:
        connection.execute(_READ_ONLY)
        has = live.read(connection)
        seen = survey.take(connection, has)
        obstacles = preflight.obstacles(has, seen)
        revisions = _pending(url, connection)
    wanted: list[Step] = []
    if not obstacles and not preflight.is_empty(has):
        wanted = steps(has, seen, longest_lock_seconds=longest_lock_seconds)
    return Preview(has, seen, tuple(obstacles), tuple(wanted), revisions)


def examine(url: str) -> Examination:
    """Compare the database with what is documented; nothing is written."""
    with _engine(url) as engine, engine.connect() as connection:
        connection.execute(_READ_ONLY)
        has = live.read(connection)
        seen = survey.take(connection, has)
        return Examination(
            live=has,
            survey=seen,
            obstacles=tuple(preflight.obstacles(has, seen)),
            findings=tuple(diagnosis.findings(has)),
            pending=_pending(url, connection),
            drizzle=_drizzle(connection),
            rights=rights.batch_rights(connection, has),
        )


def upgrade(
    url: str,
    *,
    say: Say = lambda _: None,
    patience: Patience | None = None,
    longest_lock_seconds: float = LONGEST_LOCK_SECONDS,
) -> Upgrade:
    """Bring the database to the documented schema; a second time it changes nothing.

    One migrator at a time; others wait. Broken off anywhere, it goes on when it is run again.

    Args:
        url: Of the database.
        say: Is told each step as it begins.
        patience: How long to wait for locks.
        longest_lock_seconds: How long `messages` may be locked, as estimated by its size, to make
            numbers of texts in their place; what takes longer goes by shadow columns.

    Raises:
        NotAdoptable: If something stands in the way; nothing was changed then.
        LockNotGranted: If somebody else held a table all the time.
        StepFailed: If Postgres refused a step.
    """
    # Under the lock: what another migrator is changing cannot be judged.
    with _engine(url) as engine, exclusively(engine):
        _refuse_obstacles(engine)
        _prepare(engine)
        done, texts = _adopt(engine, say, patience or Patience(), longest_lock_seconds)
        with engine.connect() as connection:
            revisions = _pending(url, connection)
        if revisions:
            say(f"Our own tables: {', '.join(revisions)}")
            command.upgrade(_config(url), "head")
            # Our tables' functions are there now: what hangs on them can follow.
            more, _ = _adopt(engine, say, patience or Patience(), longest_lock_seconds)
            done += more
    return Upgrade(tuple(done), tuple(texts), revisions)


def rollback(
    url: str,
    *,
    drop_analyses: bool = False,
    say: Say = lambda _: None,
    patience: Patience | None = None,
) -> tuple[Done, ...]:
    """Put the app's tables back to what they were; our own tables are parked in `audio_ops`.

    Texts come back byte for byte, unless the number was written since.

    Raises:
        AnalysesWouldGo: If it would drop analyses and `drop_analyses` does not allow it.
        LockNotGranted: If somebody else held a table all the time.
        StepFailed: If Postgres refused a step.
    """
    with _engine(url) as engine, exclusively(engine):
        with engine.connect() as connection:
            notes = (
                list(connection.execute(_NOTES).scalars()) if connection.scalar(_HAS_NOTES) else []
            )
            if "created message_audio_analysis" in notes and not drop_analyses:
                analyses = connection.scalar(_COUNT_ANALYSES) or 0
                if analyses:
                    raise AnalysesWouldGo(analyses)
        say("Our own tables are parked")
        command.downgrade(_config(url), "base")
        done = _carry_out_all(engine, undoing(notes), say, patience or Patience())
    return tuple(done)


def downgrade(url: str, revision: str) -> None:
    """Bring our own tables down to `revision` (`base`: undo all), parking data in `audio_ops`."""
    with _engine(url) as engine, exclusively(engine):
        command.downgrade(_config(url), revision)


def check(url: str) -> None:
    """Compare the database with the tables of `schema`.

    Raises:
        alembic.util.AutogenerateDiffsDetected: If they differ; it lists how.
        alembic.util.CommandError: If the database is not at the newest revision.
    """
    command.check(_config(url))


def _refuse_obstacles(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        has = live.read(connection)
        found = preflight.obstacles(has, survey.Survey()) or preflight.obstacles(
            has, survey.take(connection, has)
        )
    if found:
        raise NotAdoptable(tuple(found))


def _prepare(engine: sa.Engine) -> None:
    """Make the app's tables where there is no app, and the tables that parking needs."""
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(OPERATIONS_SCHEMA, if_not_exists=True))
        if preflight.is_empty(live.read(connection)):
            connection.execute(sa.text(_APP_TABLES.read_text(encoding="utf-8")))
        for statement in (*parked.CREATE_TABLES, *earlier.statements(connection)):
            connection.execute(sa.text(statement))


def _adopt(
    engine: sa.Engine, say: Say, patience: Patience, longest_lock_seconds: float
) -> tuple[list[Done], list[TextCount]]:
    with engine.connect() as connection:
        has = live.read(connection)
        seen = survey.take(connection, has)
    wanted = steps(has, seen, longest_lock_seconds=longest_lock_seconds)
    return _carry_out_all(engine, wanted, say, patience), list(seen.texts)


def _carry_out_all(
    engine: sa.Engine, wanted: list[Step], say: Say, patience: Patience
) -> list[Done]:
    done = []
    for step in wanted:
        say(f"{step.what} (locks {step.locks})")
        done.append(Done(step, carry_out(engine, step, patience, say)))
    return done


def _drizzle(connection: sa.Connection) -> Drizzle | None:
    if not connection.scalar(_HAS_DRIZZLE):
        return None
    return Drizzle(*connection.execute(_DRIZZLE).one())


def _pending(url: str, connection: sa.Connection) -> tuple[str, ...]:
    """Return the revisions of our own tables that are still to come, the first first."""
    context = MigrationContext.configure(
        connection, opts={"version_table_schema": OPERATIONS_SCHEMA}
    )
    current = context.get_current_revision()
    script = ScriptDirectory.from_config(_config(url))
    walk = script.iterate_revisions("head", current or "base")
    return tuple(revision.revision for revision in reversed(list(walk)))


@contextmanager
def _engine(url: str) -> Iterator[sa.Engine]:
    engine = connect(
        url,
        application_name="kaiwa-audio migrations",
        statement_timeout=timedelta(0),
        lock_timeout=LOCK_TIMEOUT,
    )
    try:
        yield engine
    finally:
        engine.dispose()


def _config(url: str) -> Config:
    # Found beside this file, not in the working directory: it must work when installed.
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["url"] = url  # not an option: options are interpolated and printed
    return config
