"""Examine a database: its state, its differences from the documented schema, its obstacles."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from migrations.adoption import diagnosis, live, preflight, rights, survey
from migrations.adoption.diagnosis import Finding
from migrations.adoption.live import Live
from migrations.adoption.rights import Rights
from migrations.adoption.survey import Survey

_HAS_DRIZZLE = sa.text(
    "SELECT EXISTS (SELECT FROM pg_class WHERE relname = '__drizzle_migrations'"
    " AND relnamespace = to_regnamespace('drizzle') AND has_table_privilege(oid, 'SELECT')"
    " AND has_schema_privilege(relnamespace, 'USAGE'))"
)
_DRIZZLE = sa.text(
    "SELECT count(*), to_timestamp(max(created_at) / 1000.0) FROM drizzle.__drizzle_migrations"
)
_PARKED = ("parked_text", "parked_analysis", "parked_speech_timings", "parked_columns")
_MAY_READ = sa.text(
    "SELECT EXISTS (SELECT FROM pg_class WHERE relname = :table"
    " AND relnamespace = to_regnamespace('audio_ops') AND has_table_privilege(oid, 'SELECT')"
    " AND has_schema_privilege(relnamespace, 'USAGE'))"
)


@dataclass(frozen=True, slots=True)
class Drizzle:
    """The app's record of its migrations, which is reported but not trusted."""

    migrations: int
    newest_at: datetime | None  # UTC; when the newest was generated


@dataclass(frozen=True, slots=True)
class Examination:
    """State of a database, compared with the documented schema."""

    live: Live
    survey: Survey | None  # None if the tables are not the app's
    obstacles: tuple[str, ...]  # to an upgrade
    findings: tuple[Finding, ...]
    pending: tuple[str, ...]  # unapplied revisions of our own tables
    drizzle: Drizzle | None
    rights: tuple[Rights, ...]
    parked: dict[str, int]  # number of rows by table of `audio_ops`

    @property
    def drift(self) -> tuple[Finding, ...]:
        """The findings that differ from the documented schema."""
        return tuple(finding for finding in self.findings if not finding.is_as_documented)

    @property
    def is_documented(self) -> bool:
        """Whether an upgrade would change nothing."""
        rows = self.survey and (
            self.survey.duplicates or self.survey.orphans or self.survey.unmerged
        )
        return not (self.drift or self.pending or rows)


def look(connection: sa.Connection) -> tuple[Live, Survey | None, tuple[str, ...]]:
    """Return the database's schema, a survey of its rows, and the obstacles to an upgrade."""
    current = live.read(connection)
    obstacles = preflight.obstacles(current)
    if not preflight.can_be_surveyed(current):
        return current, None, tuple(obstacles)
    seen = survey.take(connection, current)
    return current, seen, (*obstacles, *preflight.obstacles_in_rows(seen))


def take(connection: sa.Connection, *, pending: tuple[str, ...]) -> Examination:
    """Examine the database.

    Args:
        connection: In a transaction; only reads.
        pending: Unapplied revisions of our own tables.
    """
    current, seen, obstacles = look(connection)
    return Examination(
        live=current,
        survey=seen,
        obstacles=obstacles,
        findings=tuple(diagnosis.findings(current)),
        pending=pending,
        drizzle=_drizzle(connection),
        rights=rights.take(connection, current),
        parked=_parked(connection),
    )


def _drizzle(connection: sa.Connection) -> Drizzle | None:
    if not connection.scalar(_HAS_DRIZZLE):
        return None
    return Drizzle(*connection.execute(_DRIZZLE).one())


def _parked(connection: sa.Connection) -> dict[str, int]:
    counts = {}
    for table in _PARKED:
        if connection.scalar(_MAY_READ, {"table": table}):
            query = sa.text(f"SELECT count(*) FROM audio_ops.{table}")  # noqa: S608 - ours
            counts[table] = int(connection.scalar(query) or 0)
    return counts
