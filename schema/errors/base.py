"""What all errors share, and those of machine and database."""

from typing import Any


class KaiwaError(Exception):
    """Base of all errors of this project; `facts` are the constructor's arguments."""

    def __init__(self, message: str, *facts: Any) -> None:  # noqa: ANN401 - facts differ by error
        self.facts = facts
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """Survive pickling: rebuild from the facts, not from the message."""
        return type(self), self.facts


class InvalidDatabaseUrl(KaiwaError):
    """DATABASE_URL is not one of Postgres; the message does not repeat it, it holds a password."""

    def __init__(self) -> None:
        super().__init__(
            "DATABASE_URL is not a Postgres URL; "
            "it should read postgresql://user:password@host:port/database."
        )


class SessionNotUtc(KaiwaError):
    """A session does not run in UTC: something on the way dropped what we asked for."""

    def __init__(self, time_zone: str) -> None:
        self.time_zone = time_zone
        super().__init__(
            f"The database's session runs in {time_zone}, although UTC was asked for; deadlines "
            "would be off by hours, so nothing is done. A connection pooler that ignores startup "
            "options does that: connect past it, or set the options on the role "
            "(docs/scaling.md, Connections).",
            time_zone,
        )


class DatabaseRefused(KaiwaError):
    """The database did not take what was written; its own message, which quotes it, is left out."""

    def __init__(self, operation: str, sqlstate: str | None) -> None:
        self.operation, self.sqlstate = operation, sqlstate
        super().__init__(
            f"The database refused to {operation} (SQLSTATE {sqlstate}). Look for a constraint or "
            "trigger on `messages` that is newer than this project, and into the server's log.",
            operation,
            sqlstate,
        )


class ClockSkew(KaiwaError):
    """This machine and the database disagree about the time; one of them would decide wrongly."""

    def __init__(self, skew_seconds: float, allowed_seconds: float) -> None:
        self.skew_seconds, self.allowed_seconds = skew_seconds, allowed_seconds
        super().__init__(
            f"This machine's clock is {abs(skew_seconds):.0f} s "
            f"{'ahead of' if skew_seconds > 0 else 'behind'} the database's (allowed: "
            f"{allowed_seconds:.0f} s). Nothing was done. Synchronise both by NTP, then run again.",
            skew_seconds,
            allowed_seconds,
        )


class ChunksBroken(KaiwaError):
    """Part of a run's chunks broke off, so the run must not end green."""

    def __init__(self, broken: int, chunks: int) -> None:
        self.broken, self.chunks = broken, chunks
        super().__init__(
            f"{broken} of {chunks} chunks broke off. Everything else is written, and the next run "
            "takes up the rest; the failed task runs say why.",
            broken,
            chunks,
        )
