"""Errors of costs, data quality and publication."""

from datetime import datetime

from schema.errors.base import KaiwaError
from schema.wording import agreeing, counted


class FindingsDenied(KaiwaError):
    """This login may not write the app's findings."""

    def __str__(self) -> str:
        return (
            "This login may not write `analysis_findings` and `linguistic_features`, or the app's "
            "database lacks these tables. Nothing was written. As their owner, run "
            "`kaiwa-audio database grant --export-findings`."
        )


class ReportsUnwritable(KaiwaError):
    """Report files cannot be written; nothing else is lost."""

    folder: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Reports cannot be written to {self.folder!r}: {self.reason}. The artifacts are "
            "published nevertheless. Give the worker's user write access, or set "
            "KAIWA_REPORTS_DIR to another folder, then run again."
        )


class PriceRefused(KaiwaError):
    """A price, or an amount to be priced, is negative or not finite."""

    name: str
    amount: float

    def __str__(self) -> str:
        return f"{self.name} is {self.amount}. Nothing was measured; pass a finite number ≥ 0."


class NotYetMeasurable(KaiwaError):
    """The instant to measure is in the future, before 1970, or has no offset."""

    as_of: datetime
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.as_of.isoformat()} {self.reason}. Nothing was measured. Pass a past timestamp "
            "with its offset, such as 2025-12-31T23:59:59+00:00, or leave `as_of` empty for now."
        )


class UnclearWindow(KaiwaError):
    """The window of a quality check contradicts its scope or itself."""

    reason: str

    def __str__(self) -> str:
        return f"Nothing was checked. {self.reason}"


class RulesUnanswered(KaiwaError):
    """Some rules could not be evaluated, and must not count as kept."""

    rules: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{counted(len(self.rules), 'rule')} could not be evaluated: "
            f"{', '.join(self.rules)}. Nothing was "
            "written. Check the database server's log, and for columns whose type differs from "
            "this project's migrations."
        )


class QualityTooLow(KaiwaError):
    """Too much data breaks its rules or could not be read, so the check must fail."""

    failing: int
    checked: int
    missing: int
    sampled: int
    allowed_percent: float
    bucket_problem: str | None

    def __str__(self) -> str:
        problem = f" The bucket could not be sampled: {self.bucket_problem}"
        return (
            f"{self.failing} of {counted(self.checked, 'message')} "
            f"{agreeing(self.failing, 'breaks', 'break')} a rule that fails the check, and "
            f"the bucket lacks {self.missing} of {counted(self.sampled, 'sampled recording')} "
            "(limit: "
            f"{self.allowed_percent:g} %).{problem if self.bucket_problem else ''} Everything is "
            "written, and nothing was repaired. The artifact `check-quality` names the rules; "
            "`audio_ops.quarantine` lists each message with what was observed."
        )
