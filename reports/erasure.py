"""Plan and receipt of an erasure, as Markdown for its artifact, without identifying the learner."""

from datetime import datetime
from uuid import UUID

from reports.markdown import table
from schema.facts.deletion import ErasureReport, LedgerHead

_STAYS = """
What stays here, and why:

* the learner's id and the reason of the erasure in `audio_ops.erased_learner`: so that nothing of
  theirs is analysed again or restored from a backup;
* one entry of the deletion ledger for each object, with the id of its message and a digest of its
  key: to prove the deletion. These ids lead nowhere once the app has deleted the messages;
* the numbers and times of released legal holds and who placed and released them: to prove that
  nothing was deleted under a hold.

Prefect keeps what runs were given and what they published. Delete this flow run, and those that
placed holds on the learner: their parameters name the learner, a message or a conversation. Delete
the artifacts that give keys and ids as examples: `legal-holds`, `reconcile-bucket`, `check-quality`
and `backfill-analysis-canary`; the next runs publish them again. Prefect's events expire, after
seven days by default.
"""
_NOT_OURS = """
The app must still erase what it owns: the text of the messages, conversations, the account and
its payment data, and its backups.
"""


def plan(found: ErasureReport) -> str:
    """Return the plan of an erasure as Markdown."""
    return (
        "**Dry run: nothing was changed.** An erasure would erase\n\n"
        f"{_table(found)}{_STAYS}{_NOT_OURS}"
    )


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
        "**Complete.** A final search found no recording of the learner, in any version, and "
        "nothing derived from one: neither in the database nor among unfinished deletions nor in "
        "the learner's folder of the bucket."
        if left.is_empty
        else f"**Not complete; run it again.** Left:\n\n{_table(left)}"
    )
    return (
        f"### Receipt {receipt}\n\n"
        f"From {started_at:%Y-%m-%d %H:%M:%S} to {ended_at:%Y-%m-%d %H:%M:%S} UTC this run "
        f"erased\n\n{_table(erased)}\n{verified}\n\n"
        f"Head of the deletion ledger: `{head}`\n{_STAYS}{_NOT_OURS}"
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
