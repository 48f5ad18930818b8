"""Tasks of `flows/reconcile_bucket.py`: list, compare, adopt, look again, queue, report."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import Any

from prefect import Task, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from sqlalchemy import Connection

from policy.configuration import DEFAULT_POLICY
from policy.reconciliation import RESUME_WITHIN, is_another_bucket
from reports.reconciliation import summary
from schema import object_keys
from schema.errors.reconciliation import ListingOutdated
from schema.errors.storage import InvalidKey, RecordingsMissing, StorageUnavailable
from schema.facts.bucket import ReconciliationReport, Stray
from schema.states import FindingKind
from stores.bucket.listing import ListedObject, list_objects
from stores.deletion import retention
from stores.reconciliation import comparison as reconciliation
from stores.reconciliation import inventory, stray_objects
from stores.reconciliation.comparison import Comparison, Finding
from stores.reconciliation.inventory import Progress, Run
from tasks.reconciliation.found_recordings import measure
from tasks.resources import storage
from tasks.resources.database import in_transaction
from tasks.runtime.paging import pages

PREFIX = DEFAULT_POLICY.key_prefix
PAGES_PER_CHUNK = 100  # of 1,000 objects
FINDINGS_PER_PAGE = 1000
FINDING_PAGES_PER_CHUNK = 10
SAMPLE_SIZE = 20  # of what looks missing, before it is called another bucket
THREADS = 32  # that ask the bucket about single objects
STRAYS_PER_PAGE = 1000
READERS = 4  # threads that read recordings, at worst `MAX_BYTES` each
ORPHANS = (FindingKind.OBJECT_WITHOUT_ROW, FindingKind.OBJECT_OF_DELETED_ROW)

logger = logging.getLogger(__name__)


def _bucket_is_away(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """Whether waiting may help: it does not against a refusal."""
    return isinstance(state.result(raise_on_failure=False), StorageUnavailable)


@task(cache_policy=NO_CACHE)
def begin_reconciliation() -> Run:
    """Take up what an interrupted run left, or begin anew.

    Raises:
        WrongBucket: If the bucket's marker is missing.
    """
    bucket = storage.bucket()
    bucket.verify_marker()
    address = f"{bucket.client.meta.endpoint_url}/{bucket.name}"
    return in_transaction(inventory.begin, address, PREFIX, resume_within=RESUME_WITHIN)


@task(cache_policy=NO_CACHE)
def count_live() -> int:
    """Count the messages with audio: about as many objects are to be listed."""
    return in_transaction(retention.count_live)


@task(
    cache_policy=NO_CACHE,
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=_bucket_is_away,
)
def list_chunk(run: Run) -> Progress:
    """List up to 100,000 objects more, from where the listing is.

    Raises:
        ListingOvertaken: If another run goes on with it.
        StorageUnavailable: If the bucket does not answer; what was listed is kept.
    """
    reached = _progress(run)
    if reached.complete:
        return reached
    after, listed = reached.last_key, 0
    chunk = islice(list_objects(storage.bucket(), PREFIX, after=after), PAGES_PER_CHUNK)
    for listed, page in enumerate(chunk, 1):  # noqa: B007 - counts the pages
        after = _store(run, page, after)
    if listed < PAGES_PER_CHUNK:
        in_transaction(inventory.end_listing, run)
    return _progress(run)


def _progress(run: Run) -> Progress:
    return in_transaction(inventory.progress, run)


def _store(run: Run, page: Sequence[ListedObject], after: str | None) -> str | None:
    """Write a page; return the key that the next one comes after."""
    storable = [listed for listed in page if "\0" not in listed.key]
    if len(storable) < len(page):
        logger.warning("%d keys hold a NUL and are left out", len(page) - len(storable))
    if not storable:
        return after
    in_transaction(inventory.add_page, run, storable, after=after)
    return storable[-1].key


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
    found = in_transaction(reconciliation.compare, run, older_than=older_than)
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
    keys = in_transaction(reconciliation.sample_missing, run, limit=SAMPLE_SIZE)
    return len(keys), sum(_is_there(key) for key in keys)


def _is_there(key: str) -> bool:
    try:
        return storage.bucket().head(key) is not None
    except InvalidKey:
        return False


@task(cache_policy=NO_CACHE)
def count_adoptable(run: Run) -> int:
    """Count the objects that messages without a recording could adopt."""
    return sum(len(_ours(page)) for page in pages(_finder(run), "", _key))


@task(
    cache_policy=NO_CACHE,
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=_bucket_is_away,
)
def adopt_page(run: Run, *, after: str) -> tuple[str | None, int]:
    """Give up to 1,000 objects to the messages that their keys name; all of them or none.

    Args:
        run: Whose listing is complete.
        after: Objects with keys after this one.

    Returns:
        The last one's key, None if there is none left; and how many messages have a recording now.

    Raises:
        StorageUnavailable: If the bucket does not answer; nothing of the page is written then.
    """
    strays = in_transaction(_finder(run), after)
    if not strays:
        return None, 0
    with ThreadPoolExecutor(READERS) as threads:
        measured = [one for one in threads.map(measure, _ours(strays)) if one is not None]
    adopted = in_transaction(stray_objects.adopt, run, measured)
    return _key(strays[-1]), adopted


def _finder(run: Run) -> Callable[[Connection, str], list[Stray]]:
    return lambda connection, after: stray_objects.find_strays(
        connection, run, after=after, limit=STRAYS_PER_PAGE
    )


def _key(stray: Stray) -> str:
    return stray.storage_key


def _ours(strays: Sequence[Stray]) -> list[Stray]:
    return [
        stray
        for stray in strays
        if not stray.was_deleted and object_keys.refusal(stray.storage_key, PREFIX) is None
    ]


@task(
    cache_policy=NO_CACHE,
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=_bucket_is_away,
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
        lambda connection, id_: reconciliation.findings(
            connection, run, kinds, after=id_, limit=FINDINGS_PER_PAGE
        ),
        after,
        lambda finding: finding.id,
    )


def _settle(
    run: Run, seen: Sequence[tuple[int, int | None, datetime | None]], older_than: datetime
) -> None:
    in_transaction(reconciliation.settle, run, seen, older_than=older_than)


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
    return in_transaction(reconciliation.count_unclaimed, run)


@task(cache_policy=NO_CACHE)
def queue_orphans(run: Run) -> int:
    """Queue the objects without a live message for the next sweep; return how many are new."""
    return sum(_queue(run, page) for page in _findings(run, ORPHANS, 0))


def _queue(run: Run, page: Sequence[Finding]) -> int:
    ours = [f.id for f in page if object_keys.refusal(f.storage_key, PREFIX) is None]
    return in_transaction(reconciliation.queue, run, ours)


@task(cache_policy=NO_CACHE)
def finish_reconciliation(
    run: Run, comparison: Comparison, *, adopted: int = 0
) -> ReconciliationReport:
    """End the reconciliation; its findings replace the earlier ones."""
    listed = _progress(run)
    findings = in_transaction(reconciliation.report, run)
    in_transaction(inventory.finish, run)
    return ReconciliationReport(
        objects=listed.objects,
        size_bytes=listed.size_bytes,
        rows=comparison.rows,
        elsewhere=comparison.elsewhere,
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
