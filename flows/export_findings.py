"""Export pronunciation findings to the app's list, where learners act on them."""

from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from flows.run_names import with_mode
from schema.clock import utc_now
from schema.errors.base import ChunksBroken
from schema.facts.findings import ExportReport
from schema.wording import counted
from tasks.export_findings import (
    ExportedChunk,
    ExportRules,
    check_rights,
    export_chunk,
    publish_summary,
)
from tasks.runtime.clocks import check_clocks


@flow(name="export-findings", flow_run_name=with_mode("export-findings", "dry_run"))
def export_findings(
    dry_run: bool = True,
    page_size: Annotated[int, Field(ge=1, le=5000)] = 500,
) -> ExportReport:
    """Update the app's list of findings with the pronunciation findings of the current analyses.

    It writes only its own findings and never changes what a learner did with one; it deletes only
    findings that no learner has acted on. Safe to stop at any time and to run again.

    Args:
        dry_run: Only count what would be written.
        page_size: Messages read and written together.

    Returns:
        Counts of added, changed and deleted findings.

    Raises:
        ClockSkew: If this machine's clock and the database's differ.
        FindingsDenied: If the login lacks the rights to write findings.
        ChunksBroken: If a chunk failed; all chunks before it are written.
    """
    logger = get_run_logger()
    started_at = utc_now()
    check_clocks(started_at)
    check_rights()
    rules = ExportRules(started_at, page_size, dry_run)

    report, number = ExportReport(), 0
    after_id: str | None = ""
    while after_id is not None:
        number += 1
        # In this thread, which a signal interrupts.
        state = export_chunk(after_id, rules, number=number, return_state=True)
        outcome = state.result(raise_on_failure=False)
        if not isinstance(outcome, ExportedChunk):
            break
        report += outcome.report
        logger.info(
            "%s examined, %s added",
            counted(report.messages, "message"),
            counted(report.added, "finding"),
        )
        after_id = outcome.last_id

    stopped_early = after_id is not None
    publish_summary(
        report,
        stopped_early=stopped_early,
        dry_run=dry_run,
        started_at=started_at,
        ended_at=utc_now(),
    )
    if stopped_early:
        raise ChunksBroken(1, number)
    return report
