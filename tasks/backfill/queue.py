"""Queries of a backfill's worker between two chunks."""

from datetime import timedelta

from schema.facts.analysis import WaitingChunk
from stores.analysis import leases as live_leases
from stores.backfill import backfills, leases, progress
from tasks.analysis.engines import chosen_engine, covered_languages
from tasks.resources.database import in_transaction


def live_chunk(size: int) -> WaitingChunk | None:
    """Return the first `size` messages in the live pipeline's queue; None if it is empty."""
    languages = covered_languages(chosen_engine(None), None)
    chunks = in_transaction(
        live_leases.waiting_chunks, languages=languages, limit=size, chunk_size=size
    )
    return chunks[0] if chunks else None


def time_until_claimable(backfill_id: int, *, canary: bool) -> timedelta | None:
    """Return the time until a message can be claimed; None if none is left or it is stopped."""
    return in_transaction(leases.time_until_claimable, backfill_id, canary=canary)


def count_open(backfill_id: int) -> int:
    """Count the messages that are not finished."""
    return in_transaction(progress.count_open, backfill_id)


def is_stopped(backfill_id: int) -> bool:
    """Return whether the backfill accepts no more claims."""
    found = in_transaction(backfills.get, backfill_id)
    return found is None or found.stopped or found.undone
