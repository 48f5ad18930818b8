"""The base of all errors, and errors of the database and of runs in chunks."""

from dataclasses import dataclass, fields
from typing import dataclass_transform

from schema.visible import visible
from schema.wording import counted


@dataclass_transform(eq_default=False)
@dataclass(eq=False, repr=False)
class KaiwaError(Exception):
    """Base of all errors of this project; every subclass is a dataclass of its facts.

    `__str__` builds the message from them. Errors compare and hash by identity, like exceptions.
    """

    def __init_subclass__(cls) -> None:
        dataclass(eq=False, repr=False)(cls)
        if "__str__" in vars(cls):  # a fact may hold anything: an id, a name, a server's answer
            message = cls.__str__
            cls.__str__ = lambda self: visible(message(self), keep="\n")  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        self.args = (str(self),)  # `repr` and loggers show the message

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Survive pickling: rebuild from the facts, not from the message."""
        return type(self), tuple(getattr(self, fact.name) for fact in fields(self))


class InvalidDatabaseUrl(KaiwaError):
    """DATABASE_URL is no Postgres URL; the message leaves it out, because it holds a password."""

    def __str__(self) -> str:
        return (
            "DATABASE_URL is not a Postgres URL. Use postgresql://user:password@host:port/database."
        )


class SessionNotUtc(KaiwaError):
    """A database session does not run in UTC although it was requested."""

    time_zone: str

    def __str__(self) -> str:
        return (
            f"The database session runs in {self.time_zone} although UTC was requested. Nothing "
            "was done, because deadlines would be off by hours. A connection pooler probably "
            "ignores startup options: bypass it, or set the options on the role "
            "(docs/scaling.md, Connections)."
        )


class StartupOptionsRefused(KaiwaError):
    """A pooler between us and Postgres refuses the settings of our sessions."""

    def __str__(self) -> str:
        return (
            "A connection pooler refused the options with which our sessions start. Connect to "
            "the database directly, or let the pooler ignore them (PgBouncer: "
            "ignore_startup_parameters = options) and set them on the role (docs/scaling.md, "
            "Connections)."
        )


class SettingsDropped(KaiwaError):
    """A pooler between us and Postgres dropped settings of the session."""

    settings: tuple[str, ...]  # each as "name = value"

    def __str__(self) -> str:
        return (
            f"The database session lacks these settings: {', '.join(self.settings)}. Nothing was "
            "done, because a statement could wait without end or read other tables. A connection "
            "pooler ignores startup options: bypass it, or set them on the role (docs/scaling.md, "
            "Connections). Migrations need the direct address."
        )


class RunStopped(KaiwaError):
    """A run was told to stop while one of its threads was at work."""

    def __str__(self) -> str:
        return (
            "The run was stopped by a signal. Nothing of this chunk was written, and its messages "
            "return to the queue. Run the flow again."
        )


class ParametersRefused(KaiwaError):
    """A run's parameters contradict each other or the data; it did nothing."""

    reason: str

    def __str__(self) -> str:
        return f"Nothing was done. {self.reason}"


class DatabaseRefused(KaiwaError):
    """The database rejected a write; its own message is left out, because it quotes the row."""

    operation: str
    sqlstate: str | None

    def __str__(self) -> str:
        return (
            f"The database refused to {self.operation} (SQLSTATE {self.sqlstate}). Check the "
            "server's log, and `messages` for a constraint or trigger newer than this project."
        )


class ClockSkew(KaiwaError):
    """The clocks of this machine and the database differ too much."""

    skew_seconds: float
    allowed_seconds: float

    def __str__(self) -> str:
        return (
            f"This machine's clock is {abs(self.skew_seconds):.0f} s "
            f"{'ahead of' if self.skew_seconds > 0 else 'behind'} the database's (limit: "
            f"{self.allowed_seconds:.0f} s). Nothing was done. Synchronise both clocks with NTP, "
            "then run again."
        )


class ChunksBroken(KaiwaError):
    """Some chunks of a run failed, so the run must fail."""

    broken: int
    chunks: int

    def __str__(self) -> str:
        return (
            f"{self.broken} of {counted(self.chunks, 'chunk')} failed. Everything else is "
            "written, and the "
            "next run processes the rest. The failed task runs show the cause."
        )
