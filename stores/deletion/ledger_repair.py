"""Repair a damaged deletion ledger, as its owner.

The chain is continued from its last intact entry: first an entry that marks the repair, then the
damaged ones as they were found, in a new chain. Nothing is deleted. The mark holds the SHA-256 of
their earlier form, and `ledger.verify` reports it from then on.
"""

import hashlib
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, text

from schema.errors.deletion import LedgerBeyondRepair, LedgerIntact
from schema.facts.deletion import LedgerHead
from schema.wording import counted
from stores.deletion import ledger
from stores.deletion.ledger_chain import entry_hash

# A second entry at the position of the last intact one is damage, too.
_DAMAGED = text(f"""
SELECT {ledger.FACTS}, encode(hash, 'hex') AS hash FROM audio_ops.deletion_ledger AS entry
WHERE state <> 'intended' AND (
    position IS NULL OR position < 1 OR position > :intact OR position = :intact AND id > (
        SELECT min(id) FROM audio_ops.deletion_ledger WHERE position = :intact
    )
)
ORDER BY position NULLS LAST, id
""")  # noqa: S608 - our own columns
_UNPROTECT = text("ALTER TABLE audio_ops.deletion_ledger DISABLE TRIGGER protect_rows")
_PROTECT = text("ALTER TABLE audio_ops.deletion_ledger ENABLE TRIGGER protect_rows")
# Positions are unique, and damaged entries may have any: none is sure to be free.
_UNINDEX = text("DROP INDEX IF EXISTS audio_ops.deletion_ledger_position_idx")
_INDEX = text(
    "CREATE UNIQUE INDEX deletion_ledger_position_idx ON audio_ops.deletion_ledger (position)"
)
_MARK = text("""
INSERT INTO audio_ops.deletion_ledger
    (key_sha256, reason, state, last_error, finished_at, position, hash)
VALUES (:evidence, 'repair', 'withdrawn', :note, clock_timestamp(), :position, '')
""")
_PLACE = text("""
UPDATE audio_ops.deletion_ledger AS entry SET position = :intact + 1 + placed.number
FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS placed (id, number)
WHERE entry.id = placed.id
""")
_REPLACED = text(f"""
SELECT {ledger.FACTS} FROM audio_ops.deletion_ledger AS entry
WHERE position > :intact ORDER BY position
""")  # noqa: S608 - our own columns
_HASH = text("""
UPDATE audio_ops.deletion_ledger AS entry SET hash = chained.hash
FROM unnest(CAST(:ids AS bigint[]), CAST(:hashes AS bytea[])) AS chained (id, hash)
WHERE entry.id = chained.id
""")


@dataclass(frozen=True, slots=True)
class Repaired:
    """A repair, to be committed once its evidence is safe."""

    head: LedgerHead  # the new one
    position: int  # of the mark
    entries: int  # that follow it
    evidence: bytes  # the damaged entries as they were found, a JSON document per line


def repair(connection: Connection, *, by: str, why: str, noted: LedgerHead | None) -> Repaired:
    """Chain the entries from the first break on anew, behind an entry that says so.

    Args:
        connection: In a transaction of the table's owner; deletions wait until it ends.
        by: Name of the person responsible.
        why: Reason, such as the number of an incident.
        noted: A previously recorded head, as for `ledger.verify`.

    Raises:
        LedgerIntact: If there is no break.
        LedgerBeyondRepair: If the ledger would still be broken.
    """
    ledger.lock(connection)
    found = ledger.verify(connection, noted)
    if found.broken is None:
        raise LedgerIntact
    intact = found.head.position
    damaged = connection.execute(_DAMAGED, {"intact": intact}).all()
    evidence = b"".join(
        orjson.dumps(dict(row._mapping), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
        for row in damaged
    )
    mark = {
        "evidence": hashlib.sha256(evidence).digest(),
        "note": f"{counted(len(damaged), 'entry follows', 'entries follow')} anew, by {by}: {why}",
        "position": intact + 1,
    }
    ids = [row.id for row in damaged]
    connection.execute(_UNPROTECT)
    connection.execute(_UNINDEX)
    connection.execute(_MARK, mark)
    connection.execute(_PLACE, {"ids": ids, "intact": intact})
    _chain(connection, found.head)
    connection.execute(_INDEX)
    connection.execute(_PROTECT)
    left = ledger.verify(connection)
    if left.broken is not None:
        raise LedgerBeyondRepair(left.broken.entry_id, left.broken.problem)
    return Repaired(left.head, intact + 1, len(damaged), evidence)


def _chain(connection: Connection, intact: LedgerHead) -> None:
    """Compute the hashes of all entries after the last intact one."""
    previous, ids, hashes = bytes.fromhex(intact.hash), [], []
    for row in connection.execute(_REPLACED, {"intact": intact.position}):
        previous = entry_hash(previous, ledger.facts_of(row))
        ids.append(row.id)
        hashes.append(previous)
    connection.execute(_HASH, {"ids": ids, "hashes": hashes})
