"""Attach objects that were uploaded before their message was saved to that message."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Connection

from policy.configuration import DEFAULT_POLICY
from schema.facts.bucket import Reconciliation as Run
from schema.facts.bucket import Stray
from stores.reconciliation import stray_objects
from tasks.reconciliation.found_recordings import measure
from tasks.reconciliation.retries import bucket_is_away
from tasks.resources.database import in_transaction
from tasks.runtime.paging import pages

STRAYS_PER_PAGE = 1000
READERS = 4  # threads that read recordings, up to `MAX_BYTES` each


@task(cache_policy=NO_CACHE)
def count_adoptable(run: Run) -> int:
    """Count the objects that messages without a recording could adopt."""
    return sum(len(_ours(page)) for page in pages(_finder(run), "", _key))


@task(
    cache_policy=NO_CACHE,
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=bucket_is_away,
)
def adopt_page(run: Run, *, after: str) -> tuple[str | None, int]:
    """Attach up to 1,000 objects to the messages named in their keys, in one transaction.

    Args:
        run: A run whose listing is complete.
        after: Start after this key.

    Returns:
        The last object's key, None if there are none left; and how many messages got a recording.

    Raises:
        StorageUnavailable: If the bucket does not answer; nothing of the page is written.
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
        if not stray.was_deleted and DEFAULT_POLICY.key_refusal(stray.storage_key) is None
    ]
