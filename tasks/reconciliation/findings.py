"""Differences between bucket and messages: compare, check each finding, queue orphans, report."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from policy.configuration import DEFAULT_POLICY
from policy.reconciliation import is_another_bucket
from reports.reconciliation import summary
from schema.errors.reconciliation import ListingOutdated
from schema.errors.storage import InvalidKey, RecordingsMissing
from schema.facts.bucket import Reconciliation as Run
from schema.facts.bucket import ReconciliationReport
from schema.states import FindingKind
from schema.wording import counted
from stores.reconciliation import comparison, inventory
from stores.reconciliation.comparison import Comparison, Finding
from tasks.reconciliation.retries import bucket_is_away
from tasks.resources import storage
from tasks.resources.database import in_transaction
from tasks.runtime.paging import pages

FINDINGS_PER_PAGE = 1000
FINDING_PAGES_PER_CHUNK = 10
SAMPLE_SIZE = 20  # seemingly missing objects to look for before suspecting another bucket
THREADS = 32  # for requests about single objects
ORPHANS = (FindingKind.OBJECT_WITHOUT_ROW, FindingKind.OBJECT_OF_DELETED_ROW)


@task(cache_policy=NO_CACHE)
def compare(run: Run, *, older_than: datetime) -> Comparison:
    """Compare the listing with the messages as they are now.

    Args:
        run: A run whose listing is complete.
        older_than: Objects uploaded at or after this time (UTC) may still get their message.

    Raises:
        ListingIncomplete: If the listing has not finished.
        InventoryLost: If the database no longer holds the whole listing.
        RecordingsMissing: If so many are missing that this is probably another bucket.
        ListingOutdated: If they are missing from the listing only.
    """
    found = in_transaction(comparison.compare, run, older_than=older_than)
    if is_another_bucket(found.missing, found.rows):
        sampled, present = _look_for_missing(run)
        # Otherwise the next run would resume this listing.
        in_transaction(inventory.abandon, run)
        if is_another_bucket(sampled - present, sampled):
            raise RecordingsMissing(storage.bucket().name, found.missing, found.rows)
        raise ListingOutdated(found.missing, present, sampled)
    return found


def _look_for_missing(run: Run) -> tuple[int, int]:
    """Look for a sample of the objects missing from the listing; return its size, and hits.

    The listing may be a day old, and the objects uploaded since.
    """
    keys = in_transaction(comparison.sample_missing, run, limit=SAMPLE_SIZE)
    return len(keys), sum(_is_there(key) for key in keys)


def _is_there(key: str) -> bool:
    try:
        return storage.bucket().head(key) is not None
    except InvalidKey:
        return False


@task(
    cache_policy=NO_CACHE,
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=bucket_is_away,
)
def check_chunk(run: Run, *, after: int, older_than: datetime) -> int | None:
    """Check up to 10,000 findings again: objects changed while the bucket was being listed.

    Args:
        run: The run that made the findings.
        after: Start after the finding with this id.
        older_than: As for `compare`.

    Returns:
        The last finding's id; None if there are none left.
    """
    last = None
    with ThreadPoolExecutor(THREADS) as threads:
        for page in islice(_findings(run, tuple(FindingKind), after), FINDING_PAGES_PER_CHUNK):
            _settle(run, list(threads.map(_recheck, page)), older_than)
            last = page[-1].id
    return last


def _findings(run: Run, kinds: Sequence[FindingKind], after: int) -> Iterator[Sequence[Finding]]:
    return pages(
        lambda connection, id_: comparison.findings(
            connection, run, kinds, after=id_, limit=FINDINGS_PER_PAGE
        ),
        after,
        lambda finding: finding.id,
    )


def _settle(
    run: Run, seen: Sequence[tuple[int, int | None, datetime | None]], older_than: datetime
) -> None:
    in_transaction(comparison.settle, run, seen, older_than=older_than)


def _recheck(finding: Finding) -> tuple[int, int | None, datetime | None]:
    """Look the object up in the bucket; if its key cannot be requested, trust the listing."""
    try:
        facts = storage.bucket().head(finding.storage_key)
    except InvalidKey:
        return finding.id, finding.object_bytes, finding.dated_at
    return (finding.id, facts.size_bytes, facts.modified_at) if facts else (finding.id, None, None)


@task(cache_policy=NO_CACHE)
def count_unclaimed(run: Run) -> int:
    """Count the old objects that belong to no live message, once all findings are checked."""
    return in_transaction(comparison.count_unclaimed, run)


@task(cache_policy=NO_CACHE)
def count_left(run: Run, *, before: datetime) -> int:
    """Count the objects from before an instant that no live row has and no sweep will delete."""
    return in_transaction(comparison.count_left, run, before=before)


@task(cache_policy=NO_CACHE)
def queue_orphans(run: Run) -> int:
    """Queue the objects without a live message for the next sweep; return how many are new."""
    return sum(_queue(run, page) for page in _findings(run, ORPHANS, 0))


def _queue(run: Run, page: Sequence[Finding]) -> int:
    ours = [f.id for f in page if DEFAULT_POLICY.key_refusal(f.storage_key) is None]
    return in_transaction(comparison.queue, run, ours)


@task(cache_policy=NO_CACHE)
def finish_reconciliation(
    run: Run, compared: Comparison, *, adopted: int = 0
) -> ReconciliationReport:
    """End the reconciliation; its findings replace the earlier ones."""
    listed = in_transaction(inventory.progress, run)
    findings = in_transaction(comparison.report, run)
    in_transaction(inventory.finish, run)
    return ReconciliationReport(
        objects=listed.objects,
        size_bytes=listed.size_bytes,
        rows=compared.rows,
        elsewhere=compared.elsewhere,
        findings=findings,
        adopted=adopted,
    )


@task(cache_policy=NO_CACHE)
def publish_reconciliation(
    report: ReconciliationReport, *, repair: bool, started_at: datetime, ended_at: datetime
) -> None:
    """Publish the report as the artifact `reconcile-bucket`."""
    create_markdown_artifact(
        summary(report, repair=repair, took=ended_at - started_at),
        key="reconcile-bucket",
        description=f"{counted(report.count, 'finding')} in {counted(report.objects, 'object')}",
    )
