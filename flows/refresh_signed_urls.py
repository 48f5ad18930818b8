"""Renew the presigned URLs of live recordings before they expire."""

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from flows.progress import Progress
from flows.run_names import with_mode
from policy.configuration import AudioPolicy
from schema.clock import utc_now
from schema.errors.base import ChunksBroken
from schema.facts.urls import UrlReport
from tasks.refresh_signed_urls import RefreshRules, plan_refresh, publish_summary, refresh_span
from tasks.runtime.app_objects import mend_app_objects
from tasks.runtime.clocks import check_clocks


@flow(name="refresh-signed-urls", flow_run_name=with_mode("refresh-signed-urls", "dry_run"))
def refresh_signed_urls(
    lead_time_days: Annotated[int, Field(ge=0, le=6)] = 1,
    page_size: Annotated[int, Field(ge=1, le=5000)] = 1000,
    limit: Annotated[int | None, Field(ge=1)] = None,
    only_active_days: Annotated[int | None, Field(ge=1, le=3650)] = None,
    dry_run: bool = False,
) -> UrlReport:
    """Sign the URLs of live recordings that have none or whose URL expires soon.

    Safe to stop at any time and to run next to every other flow: messages changed in the meantime,
    for example by a sweep, are left alone.

    Args:
        lead_time_days: Renew URLs that expire within this many days.
        page_size: Messages written together.
        limit: Maximum number of URLs in this run. Empty: no limit.
        only_active_days: Only learners active within this many days. Empty: all.
        dry_run: Only count the URLs that would be signed.

    Returns:
        Counts of signed, skipped and refused URLs.

    Raises:
        AppObjectsLost: If our indexes or trigger were dropped and this login cannot recreate them.
        ClockSkew: If this machine's clock and the database's differ.
        ChunksBroken: If some messages could not be written; all others are.
    """
    logger = get_run_logger()
    started_at = utc_now()
    check_clocks(started_at)
    mend_app_objects()
    rules = RefreshRules(
        as_of=started_at,
        policy=AudioPolicy(signed_url_lead_time_days=lead_time_days),
        page_size=page_size,
        only_active_days=only_active_days,
        dry_run=dry_run,
    )
    plan = plan_refresh(rules)
    logger.info("%d live recordings in %d spans", plan.live, len(plan.spans))

    progress = Progress(description=f"{plan.live:,} recordings")
    report, broken = UrlReport(due=plan.due, unreadable=plan.unreadable), 0
    for number, span in enumerate(plan.spans, start=1):
        left = None if limit is None else limit - report.signed
        if left == 0:
            break
        future = refresh_span.submit(span, rules, number=number, limit=left)
        outcome = future.result(raise_on_failure=False)
        if isinstance(outcome, UrlReport):
            report += outcome
        else:
            broken += 1
        progress.report(
            100 * number / len(plan.spans),
            f"{number:,} of {len(plan.spans):,} spans done, {report.signed:,} URLs signed",
        )

    publish_summary(
        report, broken_spans=broken, dry_run=dry_run, started_at=started_at, ended_at=utc_now()
    )
    if report.refused:
        logger.warning("%d keys are refused; see audio_ops.quarantine", report.refused)
    if report.unreadable:
        logger.warning(
            "%d retention expiries are no dates; see audio_ops.quarantine", report.unreadable
        )
    if broken:
        raise ChunksBroken(broken, len(plan.spans))
    return report
