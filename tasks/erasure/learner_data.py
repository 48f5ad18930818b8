"""Counts of what the database and the bucket hold of a learner."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from schema.facts.deletion import ErasureReport
from stores import findings
from stores.bucket.versions import ObjectVersion, of_key
from stores.deletion import erasure, learner_messages
from tasks.erasure.objects import folder, is_refused, versions_under
from tasks.resources import storage
from tasks.resources.database import in_transaction
from tasks.runtime.paging import pages

ROWS_AT_ONCE = 100


def count_learner_data(user_id: UUID) -> ErasureReport:
    """Count everything that the database and the bucket hold of the learner."""
    prefix = folder(user_id)

    def count(connection: Connection) -> tuple[ErasureReport, set[str]]:
        messages = learner_messages.count_messages(connection, user_id)
        counted = rows_counted(learner_messages.count_rows(connection, user_id))
        counted += ErasureReport(control_rows=findings.count_of_learner(connection, user_id))
        return counted + ErasureReport(messages=messages), learner_messages.keys_outside(
            connection, user_id, folder=prefix
        )

    report, elsewhere = in_transaction(count)
    for queued in pages(
        lambda connection, after: erasure.orphans(
            connection, user_id, folder=prefix, after=after, limit=ROWS_AT_ONCE
        ),
        "",
        lambda deletion: deletion.storage_key,
    ):
        report += ErasureReport(orphans=len(queued))
        elsewhere.update(d.storage_key for d in queued if not d.storage_key.startswith(prefix))
    refused = {key for key in elsewhere if is_refused(key)}
    report += ErasureReport(refused=len(refused))
    bucket = storage.bucket()
    for key in sorted(elsewhere - refused):
        report += _count_versions(user_id, list(of_key(versions_under(bucket, key), key)))
    for versions in versions_under(bucket, prefix):
        report += _count_versions(user_id, versions)
    return report


def _count_versions(user_id: UUID, versions: Sequence[ObjectVersion]) -> ErasureReport:
    keys = {version.key for version in versions}
    needed = in_transaction(erasure.used_by_others, user_id, keys)
    theirs = [version for version in versions if version.key not in needed]
    return ErasureReport(
        objects=len(keys - needed),
        versions=len(theirs),
        size_bytes=sum(version.size_bytes for version in theirs),
        shared=len(needed),
    )


def rows_counted(counts: Counter[str]) -> ErasureReport:
    """Return counts by table as a report."""
    analyses, history = counts["message_audio_analysis"], counts["analysis_history"]
    return ErasureReport(
        analyses=analyses, history=history, control_rows=counts.total() - analyses - history
    )
