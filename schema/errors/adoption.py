"""Errors of bringing the app's database to the documented schema."""

from schema.errors.base import KaiwaError


class NotAdoptable(KaiwaError):
    """The app's database cannot be adopted as it is; nothing was changed."""

    def __init__(self, obstacles: tuple[str, ...]) -> None:
        self.obstacles = obstacles
        listed = "\n".join(f"- {obstacle}" for obstacle in obstacles)
        super().__init__(
            f"Nothing was changed. Mend this, then run the command again:\n{listed}", obstacles
        )


class LockNotGranted(KaiwaError):
    """A table was in use all the time, so a migration could not change it."""

    def __init__(self, step: str, table: str, holders: list[str]) -> None:
        self.step, self.table, self.holders = step, table, holders
        by = "; ".join(holders) or "transactions that have ended by now"
        super().__init__(
            f"{table} was held by {by}, so this could not be done: {step}. What was done before "
            "stays done. End that transaction, SELECT pg_terminate_backend(<pid>), and run the "
            "command again.",
            step,
            table,
            holders,
        )


class StepFailed(KaiwaError):
    """Postgres refused a step of a migration; the steps before it stay done."""

    def __init__(self, step: str, sqlstate: str, reason: str) -> None:
        self.step, self.sqlstate, self.reason = step, sqlstate, reason
        super().__init__(
            f"Postgres refused: {reason} ({sqlstate}). It was about this step: {step}. What was "
            "done before stays done. Mend what is named, and run the command again: it goes on.",
            step,
            sqlstate,
            reason,
        )


class AppObjectsLost(KaiwaError):
    """Our indexes or trigger on the app's tables were dropped, and this role may not make them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(
            f"The app's database has lost {', '.join(names)}: `drizzle-kit push` drops what the "
            "app's schema does not name. Nothing was done. Run `kaiwa-audio database upgrade` as "
            "the tables' owner, which makes them again while the app goes on.",
            names,
        )


class RowsHidden(KaiwaError):
    """Row security hides rows of the app's tables from this login."""

    def __init__(self, tables: tuple[str, ...]) -> None:
        self.tables = tables
        super().__init__(
            f"Row security hides rows of {', '.join(tables)} from this login: recordings that it "
            "does not see would look like nobody's. Nothing was done. ALTER ROLE … BYPASSRLS for "
            "the flows' login, or give it a policy that shows every row and disable row security.",
            tables,
        )


class AnalysesWouldGo(KaiwaError):
    """A rollback would drop the table of analyses."""

    def __init__(self, analyses: int) -> None:
        self.analyses = analyses
        super().__init__(
            f"The upgrade made message_audio_analysis, which holds {analyses:,} analyses; a "
            "rollback drops it. Nothing was changed. Pass --drop-analyses to allow it.",
            analyses,
        )
