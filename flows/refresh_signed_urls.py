"""Renew the presigned URLs of live recordings before they expire."""

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import AfterValidator, Field

from flows.progress import Progress
from flows.run_names import with_mode
from policy.configuration import AudioPolicy, with_grace
from schema.clock import utc_now
from schema.errors.base import ChunksBroken
from schema.facts.urls import UrlReport
from schema.wording import counted
from schema.written_text import written
from tasks.refresh_signed_urls import (
    RefreshRules,
    plan_refresh,
    publish_summary,
    refresh_span,
    sign_one,
)
from tasks.runtime.app_objects import mend_app_objects
from tasks.runtime.clocks import check_clocks


@flow(name="refresh-signed-urls", flow_run_name=with_mode("refresh-signed-urls", "dry_run"))
def refresh_signed_urls(
    lead_time_days: Annotated[int, Field(ge=0, le=6)] = 1,
    page_size: Annotated[int, Field(ge=1, le=5000)] = 1000,
    limit: Annotated[int | None, Field(ge=1)] = None,
    only_active_days: Annotated[int | None, Field(ge=1, le=3650)] = None,
    grace_days: Annotated[int, Field(ge=0, le=365)] = 7,
    message_id: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(written)]
    | None = None,
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
        grace_days: Days that sweep-retention keeps expired audio; no URL lives longer. More than 7
            changes nothing.
        message_id: Sign a new URL for this message only, even if its URL is still valid. Empty: all
            that need one.
        dry_run: Only count the URLs that would be signed.

    Returns:
        Counts of signed, skipped and refused URLs.

    Raises:
        AppObjectsLost: If our indexes or trigger were dropped and this login cannot recreate them.
        ClockSkew: If this machine's clock and the database's differ.
        UrlRefused: If `message_id` names no recording that may be played.
        ChunksBroken: If some messages could not be written; all others are.
    """
    logger = get_run_logger()
    started_at = utc_now()
    check_clocks(started_at)
    mend_app_objects()
    rules = RefreshRules(
        as_of=started_at,
        policy=with_grace(grace_days, AudioPolicy(signed_url_lead_time_days=lead_time_days)),
        page_size=page_size,
        only_active_days=only_active_days,
        dry_run=dry_run,
    )
    if message_id is not None:
        sign_one(message_id, rules)
        return _published(UrlReport(signed=1), rules)
    plan = plan_refresh(rules)
    logger.info("%s in %s", counted(plan.live, "live recording"), counted(len(plan.spans), "span"))

    progress = Progress(description=counted(plan.live, "recording"))
    report, broken = UrlReport(due=plan.due, unreadable=plan.unreadable), 0
    for number, span in enumerate(plan.spans, start=1):
        left = None if limit is None else limit - report.signed
        if left == 0:
            break
        # In this thread, which a signal interrupts.
        state = refresh_span(span, rules, number=number, limit=left, return_state=True)
        outcome = state.result(raise_on_failure=False)
        if isinstance(outcome, UrlReport):
            report += outcome
        else:
            broken += 1
        progress.report(
            100 * number / len(plan.spans),
            f"{number:,} of {counted(len(plan.spans), 'span')} done, "
            f"{counted(report.signed, 'URL')} signed",
        )

    _published(report, rules, broken_spans=broken)
    if report.refused:
        logger.warning(
            "%s refused; see audio_ops.quarantine",
            counted(report.refused, "key is", "keys are"),
        )
    if report.unreadable:
        logger.warning(
            "%s; see audio_ops.quarantine",
            counted(
                report.unreadable, "retention expiry is no date", "retention expiries are no dates"
            ),
        )
    if broken:
        raise ChunksBroken(broken, len(plan.spans))
    return report


def _published(report: UrlReport, rules: RefreshRules, *, broken_spans: int = 0) -> UrlReport:
    publish_summary(
        report,
        broken_spans=broken_spans,
        dry_run=rules.dry_run,
        started_at=rules.as_of,
        ended_at=utc_now(),
    )
    return report
