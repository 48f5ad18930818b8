"""Verify the history of legal holds: a hash chain of events, compared with the holds themselves.

The database appends the events (migration 0015). They hold salted digests of subject and reason,
which an erasure makes meaningless by forgetting the salt.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, Row, text

from schema.facts.deletion import LedgerBreak, LedgerHead, LedgerVerification
from stores.deletion.ledger_chain import FIRST, HoldFacts, entry_hash, instant

ADVISORY_LOCK = 0x686F6C646576  # "holdev"; as in migration 0015

_LOCK = text("SELECT pg_advisory_xact_lock(:lock)")
_HEAD = text("""
SELECT position, encode(hash, 'hex') FROM audio_ops.hold_event ORDER BY position DESC LIMIT 1
""")
_EVENTS = text(f"""
SELECT position, hold_id, event, scope, encode(subject_sha256, 'hex') AS subject_sha256,
    encode(reason_sha256, 'hex') AS reason_sha256, done_by,
    {instant("occurred_at")} AS occurred_at, hash
FROM audio_ops.hold_event ORDER BY position
""")  # noqa: S608 - our own columns
_HOLDS = text(f"""
SELECT id, scope, subject_id, reason, salt, user_id, placed_by,
    {instant("placed_at")} AS placed_at, released_by, {instant("released_at")} AS released_at
FROM audio_ops.legal_hold ORDER BY id
""")  # noqa: S608 - our own columns

Events = Mapping[str, Row[Any]]  # of one hold, by kind


def head(connection: Connection) -> LedgerHead:
    """Return position and hash of the newest event; position 0 if there is none."""
    row = connection.execute(_HEAD).one_or_none()
    return LedgerHead(0, FIRST.hex()) if row is None else LedgerHead(*row)


def verify(connection: Connection, noted: LedgerHead | None = None) -> LedgerVerification:
    """Recompute the chain up to the first break, then compare each hold with its events.

    Args:
        connection: In a transaction; placing and releasing wait until it ends.
        noted: A previously recorded head; without it, truncation goes undetected.

    Returns:
        As for the deletion ledger; a break's `entry_id` is the hold's.
    """
    connection.execute(_LOCK, {"lock": ADVISORY_LOCK})  # no event between the two queries
    holds = connection.execute(_HOLDS).all()
    last = LedgerHead(0, FIRST.hex())
    history: dict[int, dict[str, Row[Any]]] = {}  # events by hold and kind
    for row in connection.execute(_EVENTS):
        events = history.setdefault(row.hold_id, {})
        problem = _problem(last, row, noted)
        if row.event in events:
            problem = problem or f"it is {row.event} twice"
        if problem:
            broken = LedgerBreak(last.position + 1, row.hold_id, problem)
            return LedgerVerification(last, broken)
        events[row.event] = row
        last = LedgerHead(row.position, row.hash.hex())
    if noted and noted.position > last.position:
        cut_off = LedgerBreak(last.position + 1, None, "the history ends before the recorded head")
        return LedgerVerification(last, cut_off)
    for hold in holds:
        if problem := _difference(hold, history.get(hold.id, {})):
            return LedgerVerification(last, LedgerBreak(None, hold.id, problem))
    if removed := min(history.keys() - {hold.id for hold in holds}, default=None):
        gone = LedgerBreak(None, removed, "it was removed, but the history has it")
        return LedgerVerification(last, gone)
    return LedgerVerification(last, None)


def _problem(last: LedgerHead, row: Row[Any], noted: LedgerHead | None) -> str | None:
    """Return what is wrong with the event that should follow `last`, or None."""
    facts = dict(row._mapping)
    facts.pop("hash")
    if row.position != last.position + 1:
        return f"the next event has position {row.position}: events were removed or moved"
    if row.hash != entry_hash(bytes.fromhex(last.hash), cast("HoldFacts", facts)):
        return "its hash does not match its contents and the previous hash"
    if noted and row.position == noted.position and row.hash.hex() != noted.hash:
        return "its hash is not the recorded one: the history was rewritten"
    return None


def _difference(hold: Row[Any], events: Events) -> str | None:
    """Return how a hold differs from its history, or None."""
    placed, released = events.get("placed"), events.get("released")
    if placed is None:
        return "the history does not have it"
    if (hold.placed_by, hold.placed_at) != (placed.done_by, placed.occurred_at):
        return "it was not placed by this person at this time"
    release = (None, None) if released is None else (released.done_by, released.occurred_at)
    if (hold.released_by, hold.released_at) != release:
        return "it was not released by this person at this time"
    if "forgotten" in events:
        personal = (hold.subject_id, hold.reason, hold.salt, hold.user_id)
        return None if personal == (None,) * 4 else "it was forgotten, but is still known"
    if hold.salt is None:
        return "its subject and reason were removed, but not by an erasure"
    facts = (hold.scope, _digest(hold.salt, hold.subject_id), _digest(hold.salt, hold.reason))
    if facts != (placed.scope, placed.subject_sha256, placed.reason_sha256):
        return "its subject or reason was changed"
    return None


def _digest(salt: UUID, value: str) -> str:
    return hashlib.sha256(salt.bytes + value.encode()).hexdigest()
