"""Check stored messages and analyses against rules: results, quarantine, Data Docs."""

from datetime import datetime
from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from policy.quality import FAIL_ABOVE_PERCENT, check_window, too_many_failing
from schema.clock import utc_now
from schema.errors.reporting import QualityTooLow
from schema.facts.quality import QualityReport
from schema.states import CheckScope
from schema.wording import agreeing, counted
from tasks.quality.check_quality import CheckPlan, check_rows, publish_check
from tasks.runtime.clocks import check_clocks


@flow(name="check-quality", flow_run_name="check-quality-of-{scope}")
def check_quality(
    scope: CheckScope = CheckScope.CHANGED,
    since: datetime | None = None,
    until: datetime | None = None,
    fail_above_percent: Annotated[float, Field(ge=0, le=100)] = FAIL_ABOVE_PERCENT,
    bucket_sample: Annotated[int, Field(ge=0, le=10_000)] = 100,
) -> QualityReport:
    """Check stored messages and analyses against the data-quality rules and quarantine violations.

    It repairs nothing. Safe to stop at any time and to run again: a check is written completely or
    not at all. Every check re-examines quarantined messages and releases those that pass again.

    Args:
        scope: Rows written since the last check (changed), everything, or messages sent within a
            time window (window).
        since: Start of the window. With scope changed: check rows written since this time.
        until: End of the window, exclusive. Empty: now.
        fail_above_percent: Fail the run if more than this percentage of the checked messages break
            a failing rule, or of the sampled recordings are missing from the bucket. Known,
            unchanged violations do not count again.
        bucket_sample: Number of recordings, chosen at random, to look up in the bucket.

    Returns:
        The result of each rule.

    Raises:
        UnclearWindow: If the window contradicts the scope or itself; nothing is checked.
        ClockSkew: If this machine's clock is off.
        QualityTooLow: If too many violations are new, or the bucket could not be sampled; all
            results are written first.
    """
    logger = get_run_logger()
    started_at = utc_now()
    check_window(scope, since, until, as_of=started_at)
    check_clocks(started_at)
    plan = CheckPlan(started_at, scope, since, until, bucket_sample)
    outcome = check_rows(plan)
    report = outcome.report
    for result in report.results:
        if result.broken:
            logger.warning(
                "%d of %s %s %s",
                result.broken,
                counted(result.checked, "row"),
                agreeing(result.broken, "breaks", "break"),
                result.rule,
            )
    publish_check(
        outcome,
        allowed_percent=fail_above_percent,
        checked_at=started_at,
        took=utc_now() - started_at,
    )
    logger.info("%s quarantined, %d released", counted(report.quarantined, "case"), report.released)
    too_low = any(
        too_many_failing(*share, fail_above_percent)
        for share in ((report.failing, report.checked), (report.missing, report.sampled))
    )
    if too_low or report.bucket_problem:
        raise QualityTooLow(
            report.failing,
            report.checked,
            report.missing,
            report.sampled,
            fail_above_percent,
            report.bucket_problem,
        )
    return report
