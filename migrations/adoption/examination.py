"""What a database has beside what it should have, in one document; reads only."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from migrations.adoption import diagnosis, live, preflight, rights, survey
from migrations.adoption.diagnosis import Finding
from migrations.adoption.live import Live
from migrations.adoption.rights import Rights
from migrations.adoption.survey import Survey

_HAS_DRIZZLE = sa.text(
    "SELECT COALESCE(has_table_privilege(to_regclass('drizzle.__drizzle_migrations'), 'SELECT'),"
    " false)"
)
_DRIZZLE = sa.text(
    "SELECT count(*), to_timestamp(max(created_at) / 1000.0) FROM drizzle.__drizzle_migrations"
)
_PARKED = ("parked_text", "parked_analysis", "parked_speech_timings")
_MAY_READ = sa.text("SELECT COALESCE(has_table_privilege(to_regclass(:name), 'SELECT'), false)")


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
    rights: tuple[Rights, ...]
    parked: dict[str, int]  # rows of what an upgrade has put aside, by table of `audio_ops`

    @property
    def drift(self) -> tuple[Finding, ...]:
        """What is not as documented."""
        return tuple(finding for finding in self.findings if not finding.is_as_documented)

    @property
    def is_documented(self) -> bool:
        """Whether an upgrade would do nothing."""
        rows = self.survey.duplicates or self.survey.orphans or self.survey.unmerged
        return not (self.drift or self.pending or self.obstacles or rows)


def take(connection: sa.Connection, *, pending: tuple[str, ...]) -> Examination:
    """Examine the database.

    Args:
        connection: In a transaction that reads.
        pending: Revisions of our own tables that are still to come.
    """
    has = live.read(connection)
    seen = survey.take(connection, has)
    return Examination(
        live=has,
        survey=seen,
        obstacles=tuple(preflight.obstacles(has, seen)),
        findings=tuple(diagnosis.findings(has)),
        pending=pending,
        drizzle=_drizzle(connection),
        rights=rights.take(connection, has),
        parked=_parked(connection),
    )


def _drizzle(connection: sa.Connection) -> Drizzle | None:
    if not connection.scalar(_HAS_DRIZZLE):
        return None
    return Drizzle(*connection.execute(_DRIZZLE).one())


def _parked(connection: sa.Connection) -> dict[str, int]:
    counts = {}
    for table in _PARKED:
        if connection.scalar(_MAY_READ, {"name": f"audio_ops.{table}"}):
            query = sa.text(f"SELECT count(*) FROM audio_ops.{table}")  # noqa: S608 - ours
            counts[table] = int(connection.scalar(query) or 0)
    return counts
