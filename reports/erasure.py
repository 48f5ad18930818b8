"""What an erasure found or did, as Markdown for its artifact; nothing in it tells whose it was."""

from datetime import datetime
from uuid import UUID

from reports.markdown import table
from schema.facts.deletion import ErasureReport, LedgerHead

_NOT_OURS = """
The app still has to erase what it owns: the text of the messages, conversations, the account and
its payment data, and its backups. In Prefect, delete this flow run: its parameters name the
learner.
"""


def plan(found: ErasureReport) -> str:
    """Return what an erasure would erase as Markdown."""
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
        receipt: Names the erasure, over all its runs.
        erased: What this run erased.
        left: What was found when everything was looked at again.
        head: The newest final entry of the deletion ledger.
        started_at: When the run began, UTC.
        ended_at: When it ended, UTC.
    """
    verified = (
        "**Complete.** Afterwards the database, the queue of orphans and the learner's folder in "
        "the bucket, all versions, were searched again, and nothing was left."
        if left.is_empty
        else f"**Not complete; run it again.** Still there:\n\n{_table(left)}"
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
