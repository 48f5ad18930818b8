"""Plan and receipt of an erasure, as Markdown for its artifact, without identifying the learner."""

from datetime import datetime
from uuid import UUID

from reports.markdown import table
from schema.facts.deletion import ErasureReport, LedgerHead

_NOT_OURS = """
The app must still erase what it owns: the text of the messages, conversations, the account and
its payment data, and its backups. In Prefect, delete this flow run: its parameters identify the
learner.
"""


def plan(found: ErasureReport) -> str:
    """Return the plan of an erasure as Markdown."""
    return f"**Dry run: nothing was changed.** An erasure would erase\n\n{_table(found)}{_NOT_OURS}"


def receipt_page(
    receipt: UUID,
    erased: ErasureReport,
    left: ErasureReport,
    head: LedgerHead,
    *,
    started_at: datetime,
    ended_at: datetime,
) -> str:
    """Return the receipt of one run as Markdown.

    Args:
        receipt: Identifies the erasure across all its runs.
        erased: What this run erased.
        left: What the final verification found.
        head: The newest completed entry of the deletion ledger.
        started_at: Start of the run, UTC.
        ended_at: End of the run, UTC.
    """
    verified = (
        "**Complete.** A final search of the database, the orphan queue and the learner's folder "
        "in the bucket, in all versions, found nothing."
        if left.is_empty
        else f"**Not complete; run it again.** Left:\n\n{_table(left)}"
    )
    return (
        f"### Receipt {receipt}\n\n"
        f"From {started_at:%Y-%m-%d %H:%M:%S} to {ended_at:%Y-%m-%d %H:%M:%S} UTC this run "
        f"erased\n\n{_table(erased)}\n{verified}\n\n"
        f"Head of the deletion ledger: `{head}`\n{_NOT_OURS}"
    )


def _table(counts: ErasureReport) -> str:
    rows = [
        ("Messages that referred to a recording", counts.messages),
        ("Objects in the bucket", counts.objects),
        ("Versions of these objects", counts.versions),
        ("Bytes", counts.size_bytes),
        ("Analyses", counts.analyses),
        ("History of overwritten analyses", counts.history),
        ("Leases, quarantine, parked copies, findings", counts.control_rows),
        ("Queued objects of deleted messages", counts.orphans),
        ("Objects kept, because others use them", counts.shared),
        ("Keys that are not ours to delete; correct `audio_storage_key`", counts.refused),
        ("Objects whose deletion the bucket did not confirm", counts.failed),
    ]
    return "\n".join([*table(("", ""), rows), ""])
