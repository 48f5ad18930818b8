"""Tasks of `flows/check_quality.py`: check rows, quarantine, release, report."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Connection

from reports.quality import summary
from schema.errors.reporting import ReportsUnwritable
from schema.errors.storage import StorageError
from schema.facts.quality import QualityReport, RowScope, RuleResult, SampledRecording
from schema.states import CheckScope, Severity
from schema.wording import agreeing, counted
from stores.quality import checked_rows, checks, data_docs, object_sample, quarantine, validation
from stores.quality.rules.bucket_sample import OBJECT_IN_BUCKET
from stores.quality.rules.catalogue import ROW_RULES, RULES
from stores.quality.validation import Counts, Validation
from tasks.quality.bucket_sample import broken_in_bucket
from tasks.quality.rule_facts import rule_facts
from tasks.resources import report_folder
from tasks.resources.database import in_transaction

CHECKS_SHOWN = 5  # earlier checks
_ROW_RULES = [rule.name for rule in ROW_RULES]
_FAILING = [rule.name for rule in ROW_RULES if rule.severity is Severity.FAIL]


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """What a check covers."""

    as_of: datetime  # UTC
    scope: CheckScope
    since: datetime | None
    until: datetime | None
    bucket_sample: int  # recordings to look for in the bucket


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """The results of a check, with the validation for Data Docs."""

    report: QualityReport
    validation: Validation


@task(cache_policy=NO_CACHE)
def check_rows(plan: CheckPlan) -> CheckOutcome:
    """Check rows against all rules; open quarantine cases, and close those that pass again.

    All results are written in one transaction.
    """
    check_id, scope = in_transaction(checks.begin, plan.scope, since=plan.since, until=plan.until)
    return in_transaction(_check, plan, check_id, scope)


def _check(connection: Connection, plan: CheckPlan, check_id: int, scope: RowScope) -> CheckOutcome:
    facts = rule_facts(plan.as_of)
    checked_rows.create(connection, scope, facts)
    validated = validation.validate(connection, facts)
    quarantine.collect_invariants(connection)
    sample = _sample_bucket(connection, plan.bucket_sample)
    quarantined = quarantine.open_cases(connection, RULES)
    released = quarantine.release(connection, _ROW_RULES)
    released += object_sample.release(connection, sample.recordings)
    checked = checked_rows.count_new(connection)
    failing = quarantine.failing(connection, _FAILING)
    results = _results(connection, validated.counts, len(sample.recordings))
    checks.finish(connection, check_id, checked=checked, failing=failing, results=results)
    report = QualityReport(
        check_id=check_id,
        scope=plan.scope,
        checked=checked,
        failing=failing,
        sampled=sum(not recording.is_known for recording in sample.recordings),
        missing=sample.missing,
        results=results,
        quarantined=quarantined,
        released=released,
        bucket_problem=sample.problem,
    )
    return CheckOutcome(report, validated)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Result of looking for some recordings in the bucket."""

    recordings: list[SampledRecording]
    missing: int = 0  # not known to be missing before
    problem: str | None = None  # why the bucket could not be checked


def _sample_bucket(connection: Connection, limit: int) -> _Sample:
    """Check a sample of recordings in the bucket; collect those that break a rule."""
    sample = object_sample.pick(connection, limit)
    try:
        broken = broken_in_bucket(sample)
    except StorageError as error:
        return _Sample([], problem=str(error))
    quarantine.collect(connection, broken)
    known = {recording.message_id for recording in sample if recording.is_known}
    missing = sum(
        case.rule == OBJECT_IN_BUCKET.name and case.message_id not in known for case in broken
    )
    return _Sample(sample, missing)


def _results(
    connection: Connection, counts: Mapping[str, Counts], sampled: int
) -> tuple[RuleResult, ...]:
    """Return the result of each rule, with the number of recorded cases and examples."""
    cases = quarantine.counts_and_examples(connection)
    return tuple(
        RuleResult(
            name,
            rule.severity,
            counts[name].checked if name in counts else sampled,
            *cases.get(name, (0, ())),
        )
        for name, rule in RULES.items()
    )


@task(cache_policy=NO_CACHE)
def publish_check(
    outcome: CheckOutcome, *, allowed_percent: float, checked_at: datetime, took: timedelta
) -> None:
    """Publish the results as the artifact `check-quality`, and Data Docs as files.

    Raises:
        ReportsUnwritable: If the Data Docs cannot be written; the artifact is published by then.
    """
    report = outcome.report
    before = in_transaction(checks.last_checks, CHECKS_SHOWN, before=report.check_id)
    earlier = {
        name: [past.results[name].broken for past in before if name in past.results]
        for name in RULES
    }
    create_markdown_artifact(
        summary(report, rules=RULES, earlier=earlier, allowed_percent=allowed_percent, took=took),
        key="check-quality",
        description=f"{report.failing:,} of {counted(report.checked, 'message')} "
        f"{agreeing(report.failing, 'breaks', 'break')} a failing rule",
    )
    _write_data_docs(outcome.validation, checked_at)


def _write_data_docs(validated: Validation, checked_at: datetime) -> None:
    folder = report_folder.reports_dir() / "data-docs"
    try:
        data_docs.write(folder, validated.results, checked_at=checked_at)
    except OSError as error:
        raise ReportsUnwritable(str(folder), error.strerror or type(error).__name__) from error
