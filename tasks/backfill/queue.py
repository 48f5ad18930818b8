"""What the loop of a backfill asks between two chunks."""

from datetime import timedelta

from schema.facts.analysis import WaitingChunk
from stores.analysis import leases
from stores.backfill import backfills, items
from tasks.analysis.batch import covered_languages
from tasks.resources import database


def live_chunk(size: int) -> WaitingChunk | None:
    """Return the first `size` recordings that wait for the live pipeline; None: none does."""
    chunks = database.in_transaction(
        lambda connection: leases.waiting_chunks(
            connection, languages=covered_languages(None), limit=size, chunk_size=size
        )
    )
    return chunks[0] if chunks else None


def wait_for_work(backfill_id: int, *, canary: bool) -> timedelta | None:
    """Return how long until something can be claimed; None: nothing is left, or it is stopped."""
    return database.in_transaction(
        lambda connection: items.wait_for(connection, backfill_id, canary=canary)
    )


def count_open(backfill_id: int) -> int:
    """Count the messages that are still to be done."""
    return database.in_transaction(lambda connection: items.count_open(connection, backfill_id))


def is_stopped(backfill_id: int) -> bool:
    """Return whether nothing more may be claimed, or all is done."""
    found = database.in_transaction(lambda connection: backfills.get(connection, backfill_id))
    return found is None or found.stopped or found.undone or not count_open(backfill_id)
