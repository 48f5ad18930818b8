"""Plan a sweep without locks, and check that the bucket is the right one."""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import orjson
from prefect import task
from prefect.cache_policies import NO_CACHE

from policy.configuration import DEFAULT_POLICY
from policy.sweep import (
    FAULTS,
    OVERDUE_AFTER,
    Fate,
    Judgement,
    SweepRules,
    is_convincing,
    is_overdue,
    judge_alone,
    judge_orphan,
)
from schema.errors.storage import StorageDenied, UnprovenBucket
from schema.facts.deletion import Orphan, Recording, SweepPlan
from schema.states import UserTier
from stores.deletion import erasure, ledger, orphan_queue, retention
from stores.deletion.retention import UnreadableExpiries
from tasks.resources import storage
from tasks.resources.database import in_transaction
from tasks.runtime.paging import pages

ROWS_AT_ONCE = 1000  # with larger pages, Postgres without statistics sorts all rows for each page
SAMPLE_SIZE = 20
BACK = "erased learner is back"


@dataclass(slots=True)
class _Counts:
    """Running counts of due rows, in constant memory."""

    rules: SweepRules
    digest: "hashlib._Hash"
    under_way: set[str]  # keys with an intent of an earlier run, perhaps deleted already
    due: Counter[UserTier] = field(default_factory=Counter)
    due_bytes: Counter[UserTier] = field(default_factory=Counter)
    orphans: int = 0
    orphan_bytes: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    oldest_expiry: datetime | None = None
    overdue: int = 0
    sample: list[tuple[int, str]] = field(default_factory=list)

    def add_recording(self, judged: Judgement) -> None:
        self.overdue += is_overdue(judged, self.rules)
        if judged.fate is Fate.HELD or judged.fate in FAULTS:
            self.kept[judged.fate.value] += 1
        if judged.fate is not Fate.DELETE or judged.tier is None or judged.expires_at is None:
            return
        self.due[judged.tier] += 1
        self.due_bytes[judged.tier] += judged.recording.size_bytes or 0
        self.oldest_expiry = min(self.oldest_expiry or judged.expires_at, judged.expires_at)
        self._add_key(judged.message_id, judged.key)

    def add_orphan(self, orphan: Orphan) -> None:
        fate = judge_orphan(orphan)
        if fate in {Fate.HELD, Fate.REFUSED_KEY}:
            self.kept[fate.value] += 1
        if fate in {Fate.DELETE, Fate.REFUSED_KEY} and not orphan.held:
            self.overdue += orphan.queued_at <= self.rules.as_of - OVERDUE_AFTER
        if fate is not Fate.DELETE:
            return
        self.orphans += 1
        self.orphan_bytes += orphan.size_bytes or 0
        self._add_key(orphan.message_id or "", orphan.storage_key)

    def add_refused_orphans(self) -> None:
        """Count the orphans that earlier sweeps refused to delete."""
        refused, old = in_transaction(
            orphan_queue.count_refused, before=self.rules.as_of - OVERDUE_AFTER
        )
        self.kept[Fate.REFUSED_KEY.value] += refused
        self.overdue += old

    def add_unreadable_expiries(self) -> None:
        """Count the recordings whose expiry is no date; past ones not held are overdue."""
        unreadable = in_transaction(retention.count_unreadable)
        self.kept += kept_unreadable(unreadable)
        self.overdue += unreadable.overdue

    def add_revived_learners(self) -> None:
        """Count erased learners restored from a backup; they must be erased again by hand."""
        back = in_transaction(erasure.revived, limit=ROWS_AT_ONCE)
        self.kept[BACK] += len(back)
        self.overdue += len(back)

    def _add_key(self, message_id: str, key: str) -> None:
        self.digest.update(orjson.dumps([message_id, key]))
        if key in self.under_way:
            return
        # The keys with the smallest hashes: an even sample, the same for the same plan.
        rank = -int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
        if len(self.sample) < SAMPLE_SIZE:
            heapq.heappush(self.sample, (rank, key))
        else:
            heapq.heappushpop(self.sample, (rank, key))


@task(cache_policy=NO_CACHE)
def plan_sweep(rules: SweepRules) -> SweepPlan:
    """Count what is due now and what is kept, in pages and without locks."""
    header = [rules.as_of.isoformat(), rules.grace.total_seconds(), rules.soft_delete]
    digest = hashlib.sha256(orjson.dumps([storage.bucket().name, *header]))
    counts = _Counts(rules, digest, set(_keys_under_way()))
    for recording in _expired(rules):
        counts.add_recording(judge_alone(recording, rules))
    for orphan in _orphans():
        counts.add_orphan(orphan)
    counts.add_refused_orphans()
    counts.add_unreadable_expiries()
    counts.add_revived_learners()
    live = in_transaction(retention.count_live)
    return SweepPlan(
        live=live + in_transaction(orphan_queue.count),
        due=counts.due,
        due_bytes=counts.due_bytes,
        orphans=counts.orphans,
        orphan_bytes=counts.orphan_bytes,
        kept=+counts.kept,
        without_expiry=in_transaction(retention.count_without_expiry),
        oldest_due_at=None if counts.oldest_expiry is None else counts.oldest_expiry + rules.grace,
        overdue=counts.overdue,
        digest=counts.digest.hexdigest(),
        sample=tuple(key for _, key in sorted(counts.sample)),
    )


@task(cache_policy=NO_CACHE)
def check_bucket(plan: SweepPlan, rules: SweepRules) -> None:
    """Check, before anything is deleted, that this bucket holds this database's recordings.

    S3 reports missing keys as deleted, so sweeping the wrong bucket would look like success.

    Raises:
        WrongBucket: If the bucket's marker is missing.
        UnprovenBucket: If less than half of a sample of due recordings is there, and less than
            half of a sample of the others.
    """
    bucket = storage.bucket()
    bucket.verify_marker()
    found = sum(_is_there(key) for key in plan.sample)
    if not plan.objects or is_convincing(found, len(plan.sample)):
        return
    # Due recordings may really be missing; then the others must be there.
    others = in_transaction(retention.sample_live, before=rules.newest_expiry, limit=SAMPLE_SIZE)
    others = [key for key in others if DEFAULT_POLICY.key_refusal(key) is None]
    found_others = sum(_is_there(key) for key in others)
    sampled = len(plan.sample) + len(others)
    if sampled and not is_convincing(found_others, len(others)):
        raise UnprovenBucket(bucket.name, found + found_others, sampled)


def kept_unreadable(unreadable: UnreadableExpiries) -> Counter[str]:
    """Return by reason how many recordings are kept whose expiry is no date."""
    return +Counter(
        {
            Fate.HELD.value: unreadable.held,
            Fate.UNREADABLE_TIME.value: unreadable.recordings - unreadable.held,
        }
    )


def _is_there(key: str) -> bool:
    """Look the object up; a key that the bucket denies access to counts as missing."""
    try:
        return storage.bucket().head(key) is not None
    except StorageDenied:
        return False


def _expired(rules: SweepRules) -> Iterator[Recording]:
    found = pages(
        lambda connection, position: retention.find_expired(
            connection, before=rules.newest_expiry, after=position, limit=ROWS_AT_ONCE
        ),
        retention.BEGINNING,
        retention.position_of,
    )
    return chain.from_iterable(found)


def _orphans() -> Iterator[Orphan]:
    found = pages(
        lambda connection, key: orphan_queue.find(connection, after=key, limit=ROWS_AT_ONCE),
        "",
        lambda orphan: orphan.storage_key,
    )
    return chain.from_iterable(found)


def _keys_under_way() -> Iterator[str]:
    found = pages(
        lambda connection, id_: ledger.open_intents(connection, after_id=id_, limit=ROWS_AT_ONCE),
        0,
        lambda intent: intent.id,
    )
    return (intent.storage_key for intent in chain.from_iterable(found))
