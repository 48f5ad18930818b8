"""List the bucket into the inventory, chunk by chunk; interrupted listings are resumed."""

import logging
from collections.abc import Sequence
from itertools import islice

from prefect import task
from prefect.cache_policies import NO_CACHE

from policy.configuration import DEFAULT_POLICY
from policy.reconciliation import RESUME_WITHIN
from schema.facts.bucket import ObjectFacts
from schema.facts.bucket import Reconciliation as Run
from schema.wording import counted
from stores.bucket.listing import list_objects
from stores.deletion import retention
from stores.reconciliation import inventory
from stores.reconciliation.inventory import Progress
from tasks.reconciliation.retries import bucket_is_away
from tasks.resources import storage
from tasks.resources.database import in_transaction

PREFIX = DEFAULT_POLICY.key_prefix
PAGES_PER_CHUNK = 100  # of 1,000 objects

logger = logging.getLogger(__name__)


@task(cache_policy=NO_CACHE)
def begin_reconciliation() -> Run:
    """Resume the listing of an interrupted run, or begin a new one.

    Raises:
        WrongBucket: If the bucket's marker is missing.
    """
    bucket = storage.bucket()
    bucket.verify_marker()
    address = f"{bucket.client.meta.endpoint_url}/{bucket.name}"
    return in_transaction(inventory.begin, address, PREFIX, resume_within=RESUME_WITHIN)


@task(cache_policy=NO_CACHE)
def count_live() -> int:
    """Count the messages with audio, as an estimate of the objects to list."""
    return in_transaction(retention.count_live)


@task(
    cache_policy=NO_CACHE,
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=bucket_is_away,
)
def list_chunk(run: Run) -> Progress:
    """List up to 100,000 more objects.

    Raises:
        ListingOvertaken: If another run has taken over the listing.
        StorageUnavailable: If the bucket does not answer; what was listed is kept.
    """
    reached = in_transaction(inventory.progress, run)
    if reached.complete:
        return reached
    after, listed = reached.last_key, 0
    chunk = islice(list_objects(storage.bucket(), PREFIX, after=after), PAGES_PER_CHUNK)
    for listed, page in enumerate(chunk, 1):  # noqa: B007 - counts the pages
        after = _store(run, page, after)
    if listed < PAGES_PER_CHUNK:
        in_transaction(inventory.end_listing, run)
    return in_transaction(inventory.progress, run)


def _store(run: Run, page: Sequence[ObjectFacts], after: str | None) -> str | None:
    """Write a page; return the key after which the next page starts."""
    storable = [listed for listed in page if "\0" not in listed.key]
    if len(storable) < len(page):
        logger.warning("Skipped %s with a NUL character", counted(len(page) - len(storable), "key"))
    if not storable:
        return after
    in_transaction(inventory.add_page, run, storable, after=after)
    return storable[-1].key
