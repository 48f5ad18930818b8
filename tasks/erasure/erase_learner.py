"""Tasks of `flows/erase_learner.py`: plan, set the tombstone, erase, verify, report.

All are idempotent: what was erased is not found again.
"""

from datetime import datetime
from uuid import UUID

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from reports.erasure import plan, receipt_page
from schema.errors.deletion import LearnerUnknown
from schema.facts.deletion import ErasureReport
from schema.wording import counted
from stores.deletion import erasure, holds, learner_messages, ledger, orphan_queue
from tasks.deletion import prove_bucket
from tasks.erasure.erase_pages import erase_orphans, erase_page, erase_versions
from tasks.erasure.learner_data import ROWS_AT_ONCE, count_learner_data
from tasks.erasure.objects import block_holds, folder, versions_under
from tasks.resources import storage
from tasks.resources.database import in_transaction
from tasks.runtime.paging import pages

SAMPLED_KEYS = 20


@task(cache_policy=NO_CACHE)
def plan_erasure(user_id: UUID, *, as_of: datetime) -> ErasureReport:
    """Check that the learner may be erased and the bucket is right; count what would be erased.

    Raises:
        LearnerHeld: If a legal hold covers any of the learner's data.
        LearnerUnknown: If neither the database nor the bucket holds anything of the learner.
        UnprovenBucket: If recordings of other learners are missing from the bucket.
        WrongBucket: If the bucket's marker is missing.
    """
    storage.bucket().verify_marker()
    in_transaction(orphan_queue.take_overflow)
    in_transaction(block_holds, user_id)
    prove_bucket(in_transaction(erasure.sample_of_others, user_id, as_of=as_of, limit=SAMPLED_KEYS))
    found = count_learner_data(user_id)
    known = in_transaction(erasure.is_known, user_id)
    if not known and found == ErasureReport():
        raise LearnerUnknown
    return found


@task(cache_policy=NO_CACHE)
def begin_erasure(user_id: UUID, reason: str) -> UUID:
    """Set the learner's tombstone; return the number of its receipt."""
    return in_transaction(erasure.begin, user_id, reason)


@task(cache_policy=NO_CACHE)
def erase_messages(user_id: UUID) -> ErasureReport:
    """Erase the recordings of the learner's messages, and all data derived from them.

    Stops early when the bucket confirms no deletion of a page.

    Raises:
        LearnerHeld: If a legal hold was placed meanwhile; the current page is not erased.
    """
    report = ErasureReport()
    for page in pages(
        lambda connection, after_id: learner_messages.page(
            connection, user_id, after_id=after_id, limit=ROWS_AT_ONCE
        ),
        "",
        lambda message_id: message_id,
    ):
        step = erase_page(user_id, page)
        report += step
        if _is_stuck(step):
            break
    return report


@task(cache_policy=NO_CACHE)
def erase_leftovers(user_id: UUID) -> ErasureReport:
    """Erase the learner's objects that no message refers to: queued orphans and their folder.

    Raises:
        LearnerHeld: If a legal hold was placed meanwhile; the current page is not erased.
    """
    report = ErasureReport()
    in_transaction(orphan_queue.take_overflow)  # the app may be deleting the learner meanwhile
    for queued in pages(
        lambda connection, after: erasure.orphans(
            connection, user_id, folder=folder(user_id), after=after, limit=ROWS_AT_ONCE
        ),
        "",
        lambda deletion: deletion.storage_key,
    ):
        step = erase_orphans(user_id, queued)
        report += step
        if _is_stuck(step):
            return report
    for versions in versions_under(storage.bucket(), folder(user_id)):
        step = erase_versions(user_id, versions)
        report += step
        if _is_stuck(step):
            break
    forgotten = in_transaction(erasure.forget_listed, user_id, folder=folder(user_id))
    forgotten += in_transaction(holds.forget_released, user_id)
    return report + ErasureReport(control_rows=forgotten)


@task(cache_policy=NO_CACHE)
def verify_erasure(user_id: UUID) -> ErasureReport:
    """Count what is left of the learner; if nothing, mark the tombstone as complete.

    Returns:
        What is left.
    """
    in_transaction(orphan_queue.take_overflow)
    left = count_learner_data(user_id)
    if left.is_empty:
        in_transaction(erasure.complete, user_id)
    return left


@task(cache_policy=NO_CACHE)
def publish_plan(found: ErasureReport) -> None:
    """Publish the plan of an erasure as the artifact `erase-learner`."""
    create_markdown_artifact(
        plan(found),
        key="erase-learner",
        description=f"Dry run: {counted(found.objects, 'object')} would be erased",
    )


@task(cache_policy=NO_CACHE)
def publish_receipt(
    receipt: UUID,
    erased: ErasureReport,
    left: ErasureReport,
    *,
    started_at: datetime,
    ended_at: datetime,
) -> None:
    """Publish the receipt as the artifact `erase-learner`; it does not identify the learner."""
    head = in_transaction(ledger.head)
    create_markdown_artifact(
        receipt_page(receipt, erased, left, head, started_at=started_at, ended_at=ended_at),
        key="erase-learner",
        description=f"{counted(erased.objects, 'object')} erased, {left.objects:,} left. "
        f"Receipt {receipt}",
    )


def _is_stuck(step: ErasureReport) -> bool:
    """Whether the bucket confirmed no deletion, so that further pages would fail too."""
    return step.failed > 0 and step.objects == 0
