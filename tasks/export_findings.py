"""Tasks of `flows/export_findings.py`: read analyses, derive findings, write them, report."""

from dataclasses import dataclass
from datetime import datetime

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Connection

from policy.findings import changes, findings
from reports.markdown import table
from schema.facts.findings import ExportReport
from schema.wording import counted
from stores import findings as stored_findings
from stores.quality.rules.catalogue import DISTRUSTED
from tasks.resources.database import in_transaction

PAGES_PER_CHUNK = 20


@dataclass(frozen=True, slots=True)
class ExportRules:
    """Parameters of a run, the same for all its chunks."""

    as_of: datetime  # timestamp of what is written, UTC
    page_size: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class ExportedChunk:
    """Result of a chunk, and where the next one begins."""

    report: ExportReport
    last_id: str | None  # last message of the chunk; None: there are no more


@task(cache_policy=NO_CACHE)
def check_rights() -> None:
    """Check that the database login may write findings.

    Raises:
        FindingsDenied: If it lacks a privilege; the error says how to grant it.
    """
    in_transaction(stored_findings.require_rights)


@task(cache_policy=NO_CACHE, task_run_name="export-chunk-{number}")
def export_chunk(after_id: str, rules: ExportRules, *, number: int) -> ExportedChunk:
    """Export some pages of messages, each in its own transaction.

    Args:
        after_id: Start after the message with this id.
        rules: Parameters of the run.
        number: Number of the chunk, for the task run's name.

    Raises:
        DatabaseRefused: If the database rejects the findings of a page.
    """
    report = ExportReport()
    for _ in range(PAGES_PER_CHUNK):
        done, last_id = _export_page(after_id, rules)
        report += done
        if last_id is None:
            return ExportedChunk(report, None)
        after_id = last_id
    return ExportedChunk(report, after_id)


def _export_page(after_id: str, rules: ExportRules) -> tuple[ExportReport, str | None]:
    """Export one page; return its counts and the id of its last message, None at the end."""

    def work(connection: Connection) -> tuple[ExportReport, str | None]:
        ids = stored_findings.page(connection, after_id, limit=rules.page_size)
        if not rules.dry_run:
            stored_findings.lock(connection, ids)
        found = stored_findings.messages(connection, ids, distrusted=DISTRUSTED)
        decided = changes(
            len(found),
            [finding for message in found for finding in findings(message)],
            stored_findings.stored(connection, ids),
        )
        if not rules.dry_run:
            stored_findings.write(connection, decided.write, as_of=rules.as_of)
            stored_findings.remove(connection, decided.remove)
        return decided.report, ids[-1] if len(ids) == rules.page_size else None

    return in_transaction(work)


@task(cache_policy=NO_CACHE)
def publish_summary(
    report: ExportReport,
    *,
    stopped_early: bool,
    dry_run: bool,
    started_at: datetime,
    ended_at: datetime,
) -> None:
    """Publish the run's summary as the artifact `export-findings`."""
    rows = [
        ("Messages examined", report.messages),
        ("Findings added", report.added),
        ("Findings changed", report.changed),
        ("Findings unchanged", report.unchanged),
        ("Findings removed: no longer supported by an analysis", report.removed),
        ("Kept without support: the learner has acted on them", report.kept),
    ]
    lines = ["**Dry run: nothing was written.**", ""] if dry_run else []
    lines += table(("", ""), rows)
    if stopped_early:
        lines += [
            "",
            "**The run stopped early**; its last task run shows why. The next run continues.",
        ]
    lines += ["", f"Took {(ended_at - started_at).total_seconds():.0f} s."]
    create_markdown_artifact(
        "\n".join(lines) + "\n",
        key="export-findings",
        description=f"{counted(report.added, 'finding')} added" + (" (dry run)" if dry_run else ""),
    )
