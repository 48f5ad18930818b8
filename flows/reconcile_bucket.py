"""Compare bucket and messages in both directions: adopt recordings, report, queue orphans."""

from datetime import timedelta
from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from flows.progress import Progress
from flows.run_names import with_mode
from policy.reconciliation import is_another_database
from schema.clock import utc_now
from schema.errors.reconciliation import (
    InventoryLost,
    ListingOutdated,
    MessagesMissing,
    OrphansLeft,
)
from schema.facts.bucket import Reconciliation, ReconciliationReport
from schema.wording import counted
from tasks.reconciliation.adoption import adopt_page, count_adoptable
from tasks.reconciliation.findings import (
    check_chunk,
    compare,
    count_left,
    count_unclaimed,
    finish_reconciliation,
    publish_reconciliation,
    queue_orphans,
)
from tasks.reconciliation.listing import begin_reconciliation, count_live, list_chunk
from tasks.runtime.app_objects import mend_app_objects
from tasks.runtime.clocks import check_clocks


@flow(name="reconcile-bucket", flow_run_name=with_mode("reconcile-bucket", "repair"))
def reconcile_bucket(
    repair: bool = False,
    min_age_days: Annotated[int, Field(ge=1, le=365)] = 3,
    max_orphan_percent: Annotated[float, Field(ge=0, le=100)] = 50.0,
    alert_after_days: Annotated[int | None, Field(ge=1, le=3650)] = None,
) -> ReconciliationReport:
    """Compare the bucket with the messages and report the differences.

    Safe to stop at any time: for a day, the next run continues the listing where this one stopped.
    It changes neither bucket nor messages unless `repair` is on.

    Args:
        repair: Attach objects that were uploaded before their message was saved to that message,
            and queue objects without a live message for deletion by the next sweep.
        min_age_days: Ignore younger objects; their message may not be saved yet.
        max_orphan_percent: Queue nothing and fail the run if more than this percentage of the
            objects belong to no live message. That points to a wrong database or to lost messages.
        alert_after_days: Fail the run, after everything else, if objects older than this belong to
            no message and are not queued. Empty: alert nobody.

    Returns:
        What was found.

    Raises:
        AppObjectsLost: If our indexes or trigger were dropped and this login cannot recreate them.
        ClockSkew: If this machine's clock is off.
        WrongBucket: If the bucket's marker is missing.
        RecordingsMissing: If more than half of the recordings are missing from the bucket.
        ListingOutdated, InventoryLost: If the listing is outdated or incomplete, and so is a new
            one.
        MessagesMissing: If too many objects belong to no live message; everything else is done.
        OrphansLeft: If old objects belong to no live message and are not queued.
        ListingOvertaken: If another run took over the listing.
    """
    logger = get_run_logger()
    started_at = utc_now()
    older_than = started_at - timedelta(days=min_age_days)
    check_clocks(started_at)
    mend_app_objects()
    expected = count_live()
    run = _list(expected)
    try:
        comparison = compare(run, older_than=older_than)
    except (InventoryLost, ListingOutdated) as error:
        logger.warning("%s This run lists the bucket again.", error)
        run = _list(expected)
        comparison = compare(run, older_than=older_than)
    logger.info("%s to verify", counted(comparison.findings, "finding"))
    adopted = _adopt(run) if repair else count_adoptable(run)
    logger.info(
        "%s to a message without a recording", counted(adopted, "object belongs", "objects belong")
    )
    checked: int | None = 0
    while checked is not None:
        checked = check_chunk(run, after=checked, older_than=older_than)
    orphans = count_unclaimed(run)
    refused = is_another_database(orphans, comparison.objects, max_percent=max_orphan_percent)
    if repair and not refused:
        logger.info("%s queued for the sweep", counted(queue_orphans(run), "orphan"))
    left = 0
    if alert_after_days is not None:
        left = count_left(run, before=started_at - timedelta(days=alert_after_days))
    report = finish_reconciliation(run, comparison, adopted=adopted)
    publish_reconciliation(report, repair=repair, started_at=started_at, ended_at=utc_now())
    for found in report.findings:
        logger.warning("Found %s: %d", found.kind.value.replace("_", " "), found.count)
    if refused:
        raise MessagesMissing(orphans, comparison.objects, max_orphan_percent)
    if left and alert_after_days is not None:
        raise OrphansLeft(left, alert_after_days)
    return report


def _list(expected: int) -> Reconciliation:
    """List the bucket, continuing an interrupted listing; return the reconciliation."""
    run = begin_reconciliation()
    progress = Progress()
    complete = False
    while not complete:
        listed = list_chunk(run)
        complete = listed.complete
        percent = 100.0 if complete else min(99.0, 100 * listed.objects / max(expected, 1))
        progress.report(percent, f"{counted(listed.objects, 'object')} listed")
    return run


def _adopt(run: Reconciliation) -> int:
    """Attach objects to the messages that their keys name; return how many."""
    adopted = 0
    stray: str | None = ""
    while stray is not None:
        stray, messages = adopt_page(run, after=stray)
        adopted += messages
    return adopted
