"""Errors of bringing the app's database to the documented schema."""

from schema.errors.base import KaiwaError
from schema.wording import counted


class NotAdoptable(KaiwaError):
    """The app's database cannot be adopted as it is; nothing was changed."""

    obstacles: tuple[str, ...]

    def __str__(self) -> str:
        obstacles = "\n".join(f"- {obstacle}" for obstacle in self.obstacles)
        return f"Nothing was changed. Fix the following, then run the command again:\n{obstacles}"


class LockNotGranted(KaiwaError):
    """A migration step could not lock its table, because other transactions kept using it."""

    step: str
    table: str
    holders: list[str]

    def __str__(self) -> str:
        holders = "; ".join(self.holders) or "transactions that have ended since"
        return (
            f"{self.table} was locked by {holders}, so this step did not run: {self.step}. Earlier "
            "steps are kept. End the transaction with SELECT pg_terminate_backend(<pid>), then "
            "run the command again."
        )


class StepFailed(KaiwaError):
    """Postgres rejected a migration step; the steps before it are kept."""

    step: str
    sqlstate: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Postgres rejected this step: {self.step}. It reported: {self.reason} "
            f"({self.sqlstate}). Earlier steps are kept. Fix the cause, then run the command "
            "again; it resumes at this step."
        )


class AppObjectsLost(KaiwaError):
    """Our indexes or trigger on the app's tables are gone, and this role may not recreate them."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"The app's database has lost {', '.join(self.names)}: `drizzle-kit push` drops what "
            "the app's schema does not define. Nothing was done. Run `kaiwa-audio database "
            "upgrade` as the owner of the tables to recreate them; the app can keep running."
        )


class RowsHidden(KaiwaError):
    """Row-level security hides rows of the app's tables from this login."""

    tables: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"Row-level security hides rows of {', '.join(self.tables)} from this login, so "
            "recordings would wrongly look orphaned. Nothing was done. Run ALTER ROLE … BYPASSRLS "
            "for the flows' login, or disable row-level security on these tables."
        )


class AnalysesWouldGo(KaiwaError):
    """A rollback would drop the table of analyses."""

    analyses: int

    def __str__(self) -> str:
        return (
            "A rollback drops message_audio_analysis, which the upgrade created and which holds "
            f"{counted(self.analyses, 'analysis', 'analyses')}. Nothing was changed. Pass "
            "--drop-analyses to allow it."
        )
