"""The deletion ledger: intents, completed deletions, and verification of the hash chain.

`finish` appends to a single chain and holds an advisory lock until the commit, so call it last in a
transaction. Times are by the database's clock.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Row, text

from schema.facts.deletion import (
    IntendedDeletion,
    LedgerBreak,
    LedgerHead,
    LedgerRepair,
    LedgerVerification,
    OpenIntent,
)
from schema.states import DeletionReason, DeletionState
from stores.deletion.ledger_chain import FIRST, Facts, entry_hash, instant

ADVISORY_LOCK = 0x6C6564676572  # "ledger"
REPAIR = "repair"  # the reason of an entry that marks a repair
ENTRIES_AT_ONCE = 5000  # while verifying the chain; a few MB

# In key order, so that writers of the same keys do not deadlock.
_INTEND = text("""
INSERT INTO audio_ops.deletion_ledger
    (message_id, storage_key, key_sha256, reason, tier, size_bytes, retention_expires_at)
SELECT message_id, storage_key, sha256(convert_to(storage_key, 'UTF8')), reason, tier, size_bytes,
    retention_expires_at
FROM unnest(
    CAST(:message_ids AS text[]), CAST(:storage_keys AS text[]), CAST(:reasons AS text[]),
    CAST(:tiers AS text[]), CAST(:sizes_bytes AS bigint[]), CAST(:expiries AS timestamptz[])
) AS intended (message_id, storage_key, reason, tier, size_bytes, retention_expires_at)
ORDER BY storage_key
ON CONFLICT (key_sha256) WHERE state = 'intended' DO NOTHING
""")

_OPEN_INTENTS = text("""
SELECT id, storage_key, message_id, reason, attempts FROM audio_ops.deletion_ledger
WHERE state = 'intended' AND id > :after_id ORDER BY id LIMIT :limit
""")

_INTENDED = text("""
SELECT storage_key FROM audio_ops.deletion_ledger
WHERE state = 'intended' AND key_sha256 = ANY(:digests)
    AND reason = COALESCE(CAST(:reason AS text), reason)
""")

# Reads the whole ledger: only open intents are indexed by key.
_DELETED = text("""
SELECT key_sha256 FROM audio_ops.deletion_ledger
WHERE key_sha256 = ANY(CAST(:digests AS bytea[])) AND state <> 'withdrawn'
""")

_NOTE_FAILURES = text("""
UPDATE audio_ops.deletion_ledger AS entry
SET attempts = entry.attempts + 1, last_error = failed.error
FROM unnest(CAST(:digests AS bytea[]), CAST(:errors AS text[])) AS failed (key_sha256, error)
WHERE entry.state = 'intended' AND entry.key_sha256 = failed.key_sha256
""")

_LOCK = text("SELECT pg_advisory_xact_lock(:lock)")
_HEAD = text("""
SELECT position, encode(hash, 'hex') FROM audio_ops.deletion_ledger
WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1
""")


FACTS = f"""\
    position, id, message_id, encode(key_sha256, 'hex') AS key_sha256, reason, tier, size_bytes,
    {instant("retention_expires_at")} AS retention_expires_at, state,
    {instant("intended_at")} AS intended_at, attempts, last_error,
    {instant("finished_at")} AS finished_at"""
_FINISH = text("""
SELECT audio_ops.finish_deletions(CAST(:deleted AS bytea[]), CAST(:withdrawn AS bytea[]))
""")

_CHAIN = text(f"""
SELECT {FACTS}, hash FROM audio_ops.deletion_ledger AS entry
WHERE entry.position > 0 ORDER BY entry.position, entry.id
""")  # noqa: S608 - our own columns
_WITHOUT_POSITION = text("""
SELECT min(id) FROM audio_ops.deletion_ledger
WHERE state <> 'intended' AND (position IS NULL OR position < 1)
""")


def intend(connection: Connection, deletions: Sequence[IntendedDeletion]) -> None:
    """Record what is about to be deleted; open intents of the same keys are left unchanged.

    Args:
        connection: In a transaction. Commit it before deleting anything, so that the ledger knows
            of deletions that are interrupted.
        deletions: Objects to delete, with reasons.
    """
    if not deletions:
        return
    arguments = {
        "message_ids": [deletion.message_id for deletion in deletions],
        "storage_keys": [deletion.storage_key for deletion in deletions],
        "reasons": [deletion.reason for deletion in deletions],
        "tiers": [deletion.tier for deletion in deletions],
        "sizes_bytes": [deletion.size_bytes for deletion in deletions],
        "expiries": [deletion.retention_expires_at for deletion in deletions],
    }
    connection.execute(_INTEND, arguments)


def open_intents(connection: Connection, *, after_id: int, limit: int) -> list[OpenIntent]:
    """Return a page of open intents with ids after `after_id`, oldest first."""
    rows = connection.execute(_OPEN_INTENTS, {"after_id": after_id, "limit": limit})
    return [
        OpenIntent(id_, storage_key, message_id, DeletionReason(reason), attempts)
        for id_, storage_key, message_id, reason, attempts in rows
    ]


def intended(
    connection: Connection, keys: Iterable[str], reason: DeletionReason | None = None
) -> list[str]:
    """Return those keys that have an open intent, for this reason if one is given."""
    wanted = {"digests": _digests(keys), "reason": reason}
    return list(connection.execute(_INTENDED, wanted).scalars())


def deleted(connection: Connection, keys: Collection[str]) -> set[str]:
    """Return those keys that were deleted or have an open intent."""
    if not keys:
        return set()
    by_digest = dict(zip(_digests(keys), keys, strict=True))
    found = connection.execute(_DELETED, {"digests": list(by_digest)}).scalars()
    return {by_digest[digest] for digest in found}


def note_failures(connection: Connection, errors: Mapping[str, str]) -> None:
    """Record a failed attempt on the open intents of these keys.

    Args:
        connection: In a transaction.
        errors: The bucket's error code by key; never a text that contains the key.
    """
    if errors:
        lock(connection)  # before the rows, as in `finish`, to avoid deadlocks
        arguments = {"digests": _digests(errors), "errors": list(errors.values())}
        connection.execute(_NOTE_FAILURES, arguments)


def finish(connection: Connection, states: Mapping[str, DeletionState]) -> int:
    """Complete the open intents of these keys and append them to the chain; return how many.

    Clears their keys, which contain the learner's id. Keys without an open intent are ignored, so
    the call is idempotent. Concurrent calls wait until this transaction ends.

    Args:
        connection: In a READ COMMITTED transaction.
        states: Outcome by key: deleted or withdrawn.
    """
    if not states:
        return 0
    keys = {
        end.value: _digests(key for key, state in states.items() if state is end)
        for end in (DeletionState.DELETED, DeletionState.WITHDRAWN)
    }
    return int(connection.execute(_FINISH, keys).scalar_one())


def head(connection: Connection) -> LedgerHead:
    """Return position and hash of the newest completed entry; position 0 if there is none."""
    row = connection.execute(_HEAD).one_or_none()
    return LedgerHead(0, FIRST.hex()) if row is None else LedgerHead(*row)


def verify(connection: Connection, noted: LedgerHead | None = None) -> LedgerVerification:
    """Recompute the hash chain up to the first break, in constant memory.

    Args:
        connection: Any; the ledger is read as of one snapshot.
        noted: A previously recorded head. Without it, truncation and a complete rewrite of the
            chain go undetected.
    """
    last = LedgerHead(0, FIRST.hex())
    repairs: list[LedgerRepair] = []
    rows = connection.execute(_CHAIN, execution_options={"yield_per": ENTRIES_AT_ONCE})
    with rows:
        for row in rows:
            if problem := _problem(last, row, noted):
                broken = LedgerBreak(last.position + 1, row.id, problem)
                return LedgerVerification(last, broken, tuple(repairs))
            last = LedgerHead(row.position, row.hash.hex())
            if row.reason == REPAIR:
                repairs.append(LedgerRepair(row.position, row.finished_at, row.last_error))
    return LedgerVerification(last, _missing(connection, last, noted), tuple(repairs))


def _missing(
    connection: Connection, last: LedgerHead, noted: LedgerHead | None
) -> LedgerBreak | None:
    """Return what an intact chain lacks: its end, or entries that are not part of it."""
    if noted and noted.position > last.position:
        return LedgerBreak(last.position + 1, None, "the ledger ends before the recorded head")
    entry_id = connection.execute(_WITHOUT_POSITION).scalar_one()
    if entry_id is not None:
        return LedgerBreak(None, entry_id, "a completed entry has no position in the chain")
    return None


def _problem(last: LedgerHead, row: Row[Any], noted: LedgerHead | None) -> str | None:
    """Return what is wrong with the entry that should follow `last`, or None."""
    if row.position != last.position + 1:
        return f"the next entry has position {row.position}: entries were removed or moved"
    if row.hash != entry_hash(bytes.fromhex(last.hash), facts_of(row)):
        return "its hash does not match its contents and the previous hash"
    if noted and row.position == noted.position and row.hash.hex() != noted.hash:
        return "its hash is not the recorded one: the chain was rewritten"
    return None


def facts_of(row: Row[Any]) -> Facts:
    """Return the chained facts of a row with the columns `FACTS`, and perhaps `hash`."""
    facts = dict(row._mapping)
    facts.pop("hash", None)
    return cast("Facts", facts)


def lock(connection: Connection) -> None:
    """Keep others from appending to the chain until the transaction ends."""
    connection.execute(_LOCK, {"lock": ADVISORY_LOCK})


def _digests(keys: Iterable[str]) -> list[bytes]:
    return [hashlib.sha256(key.encode()).digest() for key in keys]
