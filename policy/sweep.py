"""What becomes of an expired recording, and when a sweep may not go on without a person."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.instants import to_utc
from policy.retention import effective_expiry, owner_tier
from schema.facts.deletion import Recording, SweepPlan
from schema.states import ProcessingState, UserTier

# The alarm rings for audio that should have been gone for longer.
OVERDUE_AFTER = timedelta(days=3)


class Fate(StrEnum):
    """What becomes of one recording; all but the first keep it."""

    DELETE = "delete"
    KEEP = "keep"  # its time is not over by what is stored
    EXTEND = "extend"  # it is, but the owner's tier keeps it longer
    HELD = "legal hold"
    UPLOADING = "being uploaded"  # a new recording is on its way to the same key
    REFUSED_KEY = "key refused"
    UNKNOWN_TIER = "unknown tier"


# Over, but kept because something is wrong: people must look at these.
FAULTS = frozenset({Fate.UPLOADING, Fate.REFUSED_KEY, Fate.UNKNOWN_TIER})


@dataclass(frozen=True, slots=True)
class SweepRules:
    """How one run of the sweep decides and deletes."""

    as_of: datetime  # of every decision in the run
    grace: timedelta  # after the expiry nothing is deleted; at its end audio is due
    soft_delete: bool  # keep key and metadata on the row as audit trail

    @property
    def newest_expiry(self) -> datetime:
        """The latest expiry at which audio is due."""
        return to_utc(self.as_of) - self.grace


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of one recording, with the tier and expiry it follows from."""

    fate: Fate
    tier: UserTier | None  # None if unknown
    expires_at: datetime | None  # UTC; effective, or as stored if that decides


def verdict(
    recording: Recording,
    rules: SweepRules,
    refusal: Callable[[str], str | None],
    policy: AudioPolicy = DEFAULT_POLICY,
) -> Verdict:
    """Decide what becomes of one recording.

    Args:
        recording: As it is now; under lock, if anything is done about it.
        rules: The run's instant and grace.
        refusal: Says why an object of this key may not be deleted, or None.
        policy: Retention periods.
    """
    tier = owner_tier(
        recording.role, has_user=recording.has_user, current_tier=recording.current_tier
    )
    stored = recording.retention_expires_at
    if stored is None or to_utc(stored) > rules.newest_expiry:
        return Verdict(Fate.KEEP, tier, stored)
    if tier is None:
        return Verdict(Fate.HELD if recording.held else Fate.UNKNOWN_TIER, None, stored)
    expires_at = effective_expiry(stored, tier, recording.created_at, policy)
    if recording.held:
        fate = Fate.HELD
    elif expires_at > rules.newest_expiry:
        fate = Fate.EXTEND
    elif recording.processing_state == ProcessingState.UPLOADING:
        fate = Fate.UPLOADING
    elif refusal(recording.storage_key) is not None:
        fate = Fate.REFUSED_KEY
    else:
        fate = Fate.DELETE
    return Verdict(fate, tier, expires_at)


def objects_to_delete(fates: Iterable[tuple[str, Fate]]) -> set[str]:
    """Return the keys whose every live message is to be deleted: an object goes with its last.

    Args:
        fates: Key and fate of all live messages of each key.
    """
    wanted: set[str] = set()
    needed: set[str] = set()
    for key, fate in fates:
        (wanted if fate is Fate.DELETE else needed).add(key)
    return wanted - needed


def is_overdue(judged: Verdict, rules: SweepRules) -> bool:
    """Decide whether audio should have been gone for days: it is due, and no hold keeps it."""
    late = judged.fate is Fate.DELETE or judged.fate in FAULTS
    return (
        late
        and judged.expires_at is not None
        and judged.expires_at <= rules.newest_expiry - OVERDUE_AFTER
    )


def runaway(plan: SweepPlan, *, max_objects: int | None, max_share_percent: float) -> str | None:
    """Return why a plan deletes suspiciously much, in words; None if it does not."""
    if max_objects is not None and plan.objects > max_objects:
        return f"{plan.objects:,} objects are due, more than max_objects = {max_objects:,}"
    if plan.objects * 100 > max_share_percent * plan.live:
        share = 100 * plan.objects / plan.live if plan.live else 100.0
        return (
            f"{plan.objects:,} of {plan.live:,} objects are due, {share:.1f} %, more than "
            f"max_share_percent = {max_share_percent:g}"
        )
    return None


def is_convincing(found: int, sampled: int) -> bool:
    """Decide whether a sample of keys proves that this is the right bucket: half must be there."""
    return sampled > 0 and 2 * found >= sampled
