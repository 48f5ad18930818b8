"""Errors of costs, data quality and what is published."""

from datetime import datetime

from schema.errors.base import KaiwaError


class FindingsDenied(KaiwaError):
    """The login may not write the app's list of findings."""

    def __init__(self) -> None:
        super().__init__(
            "This login may not write `analysis_findings` and `linguistic_features`, or the app's "
            "database does not have them. Nothing was written. As the tables' owner, run "
            "deployments/grants.sql with PGOPTIONS='-c kaiwa.export_findings=on'."
        )


class ReportsUnwritable(KaiwaError):
    """Files for people and programs cannot be written; nothing else is lost."""

    def __init__(self, folder: str, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(
            f"Reports cannot be written to {folder!r}: {reason}. The artifacts are published all "
            "the same. Let the worker's user write there, or set KAIWA_REPORTS_DIR to another "
            "folder, and run again.",
            folder,
            reason,
        )


class PriceRefused(KaiwaError):
    """A price, or an amount that is to be priced, is negative or no number."""

    def __init__(self, name: str, amount: float) -> None:
        self.name, self.amount = name, amount
        super().__init__(
            f"{name} is {amount}, but must be a number from zero up. Nothing was measured.",
            name,
            amount,
        )


class NotYetMeasurable(KaiwaError):
    """Storage is to be measured for an instant in the future, before 1970, or without a zone."""

    def __init__(self, as_of: datetime, reason: str) -> None:
        self.as_of, self.reason = as_of, reason
        super().__init__(
            f"{as_of.isoformat()} {reason}. Nothing was measured: give an instant of the past with "
            "its offset, such as 2025-12-31T23:59:59+00:00, or none for now.",
            as_of,
            reason,
        )


class UnclearWindow(KaiwaError):
    """The beginning and end of a check's window contradict its scope or each other."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{reason} Nothing was checked.", reason)


class RulesUnanswered(KaiwaError):
    """Rules could not be asked, and what nobody has asked must not pass for kept."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        self.rules = rules
        super().__init__(
            f"No answer to {len(rules)} rules: {', '.join(rules)}. Nothing was written. Look into "
            "the database server's log, and whether a column has another type than this project's "
            "migrations give it.",
            rules,
        )


class QualityTooLow(KaiwaError):
    """Stored data breaks its rules, or could not be looked at, so the check must not end green."""

    def __init__(
        self,
        failing: int,
        checked: int,
        missing: int,
        sampled: int,
        allowed_percent: float,
        bucket_problem: str | None,
    ) -> None:
        self.failing, self.checked = failing, checked
        self.missing, self.sampled = missing, sampled
        self.allowed_percent, self.bucket_problem = allowed_percent, bucket_problem
        unasked = f" The bucket could not be sampled: {bucket_problem}" if bucket_problem else ""
        super().__init__(
            f"{failing} of {checked} messages break a rule that fails the check, and the bucket "
            f"lacks {missing} of {sampled} sampled recordings (allowed: {allowed_percent:g} %)."
            f"{unasked} Everything is written, nothing was repaired: the artifact `check-quality` "
            "names the rules, `audio_ops.quarantine` each message with what was observed.",
            failing,
            checked,
            missing,
            sampled,
            allowed_percent,
            bucket_problem,
        )
