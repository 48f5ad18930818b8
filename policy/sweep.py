"""Decide what happens to expired recordings and orphans, and whether a sweep needs approval."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.instants import is_readable, to_utc
from policy.retention import effective_expiry, owner_tier
from schema.facts.deletion import Orphan, Recording, SweepPlan
from schema.states import ProcessingState, UserTier
from schema.wording import agreeing, counted

# Audio that has been due for longer than this raises an alarm.
OVERDUE_AFTER = timedelta(days=3)
# In these states a message may refer to an object that is not in the bucket yet.
STILL_TO_COME = frozenset({ProcessingState.PENDING, ProcessingState.UPLOADING})


class Fate(StrEnum):
    """What happens to a recording or an orphan, or why it is kept."""

    DELETE = "delete"  # the object, and every recording that refers to it
    SHARED = "shared"  # due, but another message needs the object: only the recording ends
    EXTEND = "extend"  # due by its stored expiry, but the owner's current tier keeps it longer
    KEEP = "keep"  # not due by its stored expiry
    HELD = "legal hold"
    BUSY = "locked or claimed by another"  # due, but its object may be needed
    UPLOADING = "being uploaded"  # a new recording is on its way to the same key
    REFUSED_KEY = "key refused"
    UNKNOWN_TIER = "unknown tier"
    UNREADABLE_TIME = "unreadable time"  # of expiry or message: infinite, before year 1, after 9999
    IN_USE = "in use again"  # an orphan to remove from the queue


# Due, but kept because something is wrong that needs manual correction.
FAULTS = frozenset({Fate.UPLOADING, Fate.REFUSED_KEY, Fate.UNKNOWN_TIER, Fate.UNREADABLE_TIME})


@dataclass(frozen=True, slots=True)
class SweepRules:
    """Parameters of a sweep."""

    as_of: datetime  # time for which all decisions are made
    grace: timedelta  # time after the expiry until audio is due
    soft_delete: bool  # keep key and metadata on the row as audit trail

    @property
    def newest_expiry(self) -> datetime:
        """The latest expiry at which audio is due."""
        return to_utc(self.as_of) - self.grace


@dataclass(frozen=True, slots=True)
class Judgement:
    """What happens to one recording, and the facts behind it."""

    recording: Recording
    fate: Fate
    tier: UserTier | None  # None if unknown
    expires_at: datetime | None  # UTC; effective expiry, or the stored one if it decides

    @property
    def message_id(self) -> str:
        """Id of the recording's message."""
        return self.recording.message_id

    @property
    def key(self) -> str:
        """Key of the recording's object."""
        return self.recording.storage_key


@dataclass(frozen=True, slots=True)
class Judgements:
    """What happens to all live recordings of some keys, and so to their objects."""

    of_recordings: tuple[Judgement, ...]  # one for each, in the given order
    busy: frozenset[str]  # keys not touched by this run

    def with_fate(self, fate: Fate) -> list[Judgement]:
        """Return the judgements with this fate."""
        return [judgement for judgement in self.of_recordings if judgement.fate is fate]

    @property
    def deletions(self) -> dict[str, list[Judgement]]:
        """Objects to delete: their recordings by key."""
        return _by_key(self.with_fate(Fate.DELETE))

    @property
    def spared(self) -> dict[str, list[Judgement]]:
        """Objects that a live recording needs: all recordings that refer to them, by key."""
        deleted = self.deletions
        return {
            key: judgements
            for key, judgements in _by_key(self.of_recordings).items()
            if key not in deleted and key not in self.busy
        }

    def without_recording(self, keys: Collection[str]) -> list[str]:
        """Return those of the judged keys to which no live recording refers."""
        referred = {judgement.key for judgement in self.of_recordings}
        return [key for key in keys if key not in referred and key not in self.busy]


def _by_key(judgements: Sequence[Judgement]) -> dict[str, list[Judgement]]:
    grouped: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        grouped.setdefault(judgement.key, []).append(judgement)
    return grouped


def judge(
    recordings: Sequence[Recording],
    busy: Collection[str],
    rules: SweepRules,
    policy: AudioPolicy = DEFAULT_POLICY,
) -> Judgements:
    """Decide what happens to the recordings of some objects.

    An object is deleted only with its last recording.

    Args:
        recordings: All live recordings with these objects' keys, read under lock.
        busy: Keys with a recording locked by another session, or claimed by something other than
            a live recording; they are not touched.
        rules: The run's rules.
        policy: Retention periods and key prefix.
    """
    alone = [judge_alone(recording, rules, policy) for recording in recordings]
    needed = {judgement.key for judgement in alone if judgement.fate is not Fate.DELETE}

    def together(judgement: Judgement) -> Judgement:
        if judgement.fate is not Fate.DELETE:
            return judgement
        if judgement.key in busy:
            return replace(judgement, fate=Fate.BUSY)
        return replace(judgement, fate=Fate.SHARED) if judgement.key in needed else judgement

    return Judgements(tuple(together(judgement) for judgement in alone), frozenset(busy))


def judge_alone(
    recording: Recording, rules: SweepRules, policy: AudioPolicy = DEFAULT_POLICY
) -> Judgement:
    """Decide what happens to a recording, ignoring others that refer to the same object."""
    tier = owner_tier(
        recording.role, has_user=recording.has_user, current_tier=recording.current_tier
    )
    stored = recording.retention_expires_at
    if stored is None or to_utc(stored) > rules.newest_expiry:
        return Judgement(recording, Fate.KEEP, tier, stored)
    if tier is None:
        fate = Fate.HELD if recording.held else Fate.UNKNOWN_TIER
        return Judgement(recording, fate, None, stored)
    if not (is_readable(stored) and is_readable(recording.created_at)):
        fate = Fate.HELD if recording.held else Fate.UNREADABLE_TIME
        return Judgement(recording, fate, tier, stored)
    expires_at = effective_expiry(stored, tier, recording.created_at, policy)
    if recording.held:
        fate = Fate.HELD
    elif expires_at > rules.newest_expiry:
        fate = Fate.EXTEND
    elif recording.processing_state == ProcessingState.UPLOADING:
        fate = Fate.UPLOADING
    elif policy.key_refusal(recording.storage_key) is not None:
        fate = Fate.REFUSED_KEY
    else:
        fate = Fate.DELETE
    return Judgement(recording, fate, tier, expires_at)


def judge_orphan(orphan: Orphan, policy: AudioPolicy = DEFAULT_POLICY) -> Fate:
    """Decide what happens to an object in the orphan queue."""
    if orphan.in_use:
        # Held orphans stay queued: if the message is deleted again, only the queue has the hold.
        return Fate.KEEP if orphan.held else Fate.IN_USE
    if policy.key_refusal(orphan.storage_key) is not None:
        return Fate.REFUSED_KEY
    return Fate.HELD if orphan.held else Fate.DELETE


def expects_object(recording: Recording) -> bool:
    """Return whether a recording's object should be in the bucket, because its upload has ended."""
    return recording.processing_state not in STILL_TO_COME


def is_overdue(judged: Judgement, rules: SweepRules) -> bool:
    """Return whether audio is overdue: due for more than `OVERDUE_AFTER`, and not held."""
    late = judged.fate is Fate.DELETE or judged.fate in FAULTS
    return (
        late
        and judged.expires_at is not None
        and judged.expires_at <= rules.newest_expiry - OVERDUE_AFTER
    )


def runaway(plan: SweepPlan, *, max_objects: int | None, max_share_percent: float) -> str | None:
    """Return why a plan deletes suspiciously much, as text; None if it does not."""
    if max_objects is not None and plan.objects > max_objects:
        due = counted(plan.objects, "object is due", "objects are due")
        return f"{due}, more than max_objects = {max_objects:,}"
    if plan.objects * 100 > max_share_percent * plan.live:
        share = 100 * plan.objects / plan.live if plan.live else 100.0
        return (
            f"{plan.objects:,} of {counted(plan.live, 'object')} "
            f"{agreeing(plan.objects, 'is', 'are')} due, {share:.1f} %, more than "
            f"max_share_percent = {max_share_percent:g}"
        )
    return None


def is_convincing(found: int, sampled: int) -> bool:
    """Return whether a sample of keys proves the right bucket: at least half must be there."""
    return sampled > 0 and 2 * found >= sampled
