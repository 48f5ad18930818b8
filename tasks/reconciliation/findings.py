"""Where bucket and messages disagree: compare, check each finding, queue orphans, report."""

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
from schema.facts.bucket import ReconciliationReport
from schema.states import FindingKind
from stores.reconciliation import comparison, inventory
from stores.reconciliation.comparison import Comparison, Finding
from stores.reconciliation.inventory import Run
from tasks.reconciliation.retries import bucket_is_away
from tasks.resources import storage
from tasks.resources.database import in_transaction
from tasks.runtime.paging import pages

FINDINGS_PER_PAGE = 1000
FINDING_PAGES_PER_CHUNK = 10
SAMPLE_SIZE = 20  # of what looks missing, before it is called another bucket
THREADS = 32  # that ask the bucket about single objects
ORPHANS = (FindingKind.OBJECT_WITHOUT_ROW, FindingKind.OBJECT_OF_DELETED_ROW)


@task(cache_policy=NO_CACHE)
def compare(run: Run, *, older_than: datetime) -> Comparison:
    """Compare the listing with the messages as they are now.

    Args:
        run: Whose listing is complete.
        older_than: Objects put at or after this instant, UTC, may still wait for their message.

    Raises:
        ListingIncomplete: If more is to be listed.
        InventoryLost: If the database no longer holds all that was listed.
        RecordingsMissing: If so many are missing that this is rather another bucket.
        ListingOutdated: If they are missing from the listing alone.
    """
    found = in_transaction(comparison.compare, run, older_than=older_than)
    if is_another_bucket(found.missing, found.rows):
        sampled, there = _look_for_missing(run)
        # Or the next run would take up this listing.
        in_transaction(inventory.abandon, run)
        if is_another_bucket(sampled - there, sampled):
            raise RecordingsMissing(storage.bucket().name, found.missing, found.rows)
        raise ListingOutdated(found.missing, there, sampled)
    return found


def _look_for_missing(run: Run) -> tuple[int, int]:
    """Ask the bucket for a sample of what its listing lacks; return how many, and how many it has.

    The listing may be a day old, and the bucket have been filled since.
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
    """Look again at findings: while the bucket was listed, others uploaded and deleted.

    Args:
        run: Whose findings they are.
        after: Findings with ids after this one, up to 10,000 of them.
        older_than: As for `compare`.

    Returns:
        The last one's id; None if there is none left.
    """
    last = None
    with ThreadPoolExecutor(THREADS) as threads:
        for page in islice(_findings(run, tuple(FindingKind), after), FINDING_PAGES_PER_CHUNK):
            _settle(run, list(threads.map(_look_again, page)), older_than)
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


def _look_again(finding: Finding) -> tuple[int, int | None, datetime | None]:
    """Ask the bucket for the object; where nobody can ask for such a key, trust the listing."""
    try:
        facts = storage.bucket().head(finding.storage_key)
    except InvalidKey:
        return finding.id, finding.object_bytes, finding.dated_at
    return (finding.id, facts.size_bytes, facts.modified_at) if facts else (finding.id, None, None)


@task(cache_policy=NO_CACHE)
def count_unclaimed(run: Run) -> int:
    """Count the old objects that belong to no message, once all findings are checked."""
    return in_transaction(comparison.count_unclaimed, run)


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
    """Publish what was found as the artifact `reconcile-bucket`."""
    create_markdown_artifact(
        summary(report, repair=repair, took=ended_at - started_at),
        key="reconcile-bucket",
        description=f"{report.count} findings in {report.objects} objects",
    )
