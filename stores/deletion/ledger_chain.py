"""Hash chains of the deletion ledger and of legal holds, which anyone can verify from an export.

hash(n) = SHA-256(hash(n - 1) || facts(n)), where hash(0) is 32 zero bytes and facts(n) is a JSON
object in the canonical form of RFC 8785: names sorted, no spaces, UTF-8. Its names are those of
`Facts` or `HoldFacts`, and `format`; an unknown fact is null. Instants are UTC with microseconds,
such as `2026-01-05T12:00:00.000000Z`; digests are lower-case hexadecimal. docs/adr/0056 has an
example.
"""

import hashlib
from typing import TypedDict

import orjson

FORMAT = 1  # version of the facts; increment it if they change, so that old entries still verify
FIRST = bytes(32)  # previous hash of the first entry


class Facts(TypedDict):
    """Immutable contents of a completed entry."""

    position: int
    id: int
    message_id: str | None
    key_sha256: str
    reason: str
    tier: str | None
    size_bytes: int | None
    retention_expires_at: str | None
    state: str
    intended_at: str
    attempts: int
    last_error: str | None
    finished_at: str | None  # null only if the entry was tampered with


class HoldFacts(TypedDict):
    """Contents of an event in the history of legal holds."""

    position: int
    hold_id: int
    event: str
    scope: str | None  # this and the digests: only of a placed hold
    subject_sha256: str | None
    reason_sha256: str | None
    done_by: str | None
    occurred_at: str


def instant(column: str) -> str:
    """Return SQL that formats an instant as in the chain, regardless of session settings."""
    finite = f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    # to_char returns NULL for `infinity`, which would then look like an unknown instant.
    return f"CASE WHEN isfinite({column}) THEN {finite} ELSE CAST({column} AS text) END"


def entry_hash(previous: bytes, facts: Facts | HoldFacts) -> bytes:
    """Return the hash of an entry that follows the one with the hash `previous`."""
    # orjson conforms to RFC 8785 here: integers stay below 2**53 and names are ASCII.
    canonical = orjson.dumps({"format": FORMAT, **facts}, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(previous + canonical).digest()
