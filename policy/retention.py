"""How long audio is kept, and when it must go.

The app's `getRetentionPeriodDays`, `calculateAudioRetentionExpiry` and `shouldDeleteAudio`, exact
on a server in UTC: a day is 24 hours. Periods are half-open: audio is kept up to, not at, its end.
"""

from datetime import datetime, timedelta

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.instants import to_utc
from schema.states import UserTier

SUBSCRIBED_TIERS = frozenset({UserTier.FREE, UserTier.PLUS, UserTier.PREMIUM})


def retention_period_days(tier: UserTier, policy: AudioPolicy = DEFAULT_POLICY) -> int:
    """Return the days that audio of `tier` is kept."""
    return policy.retention_days.of(tier)


def retention_expiry(
    tier: UserTier, created_at: datetime, policy: AudioPolicy = DEFAULT_POLICY
) -> datetime:
    """Return when the audio of a message created at `created_at` expires, in UTC."""
    return to_utc(created_at) + timedelta(days=retention_period_days(tier, policy))


def owner_tier(
    role: str,
    *,
    has_user: bool,
    current_tier: str | None,
) -> UserTier | None:
    """Return whose audio a message is.

    Args:
        role: Of the message: user, assistant or system.
        has_user: Whether its conversation belongs to a learner.
        current_tier: Of the learner's newest subscription, as the app reads it; empty where
            there is none, or where it names no tier: free.

    Returns:
        None if the subscription names a tier that nobody knows here: nobody can say what that
        learner was promised.
    """
    if role == "system":
        return UserTier.SYSTEM
    if not has_user:
        return UserTier.GUEST
    name = current_tier or UserTier.FREE
    return UserTier(name) if name in SUBSCRIBED_TIERS else None


def subscription_days(policy: AudioPolicy = DEFAULT_POLICY) -> dict[str, int]:
    """Return the days that learners' audio is kept, by the `current_tier` of `owner_tier`.

    "" is a learner without one; a tier that is not here is unknown.
    """
    tiers = (
        (name, owner_tier("user", has_user=True, current_tier=name))
        for name in ("", *(tier.value for tier in UserTier))
    )
    return {name: retention_period_days(tier, policy) for name, tier in tiers if tier is not None}


def effective_expiry(
    stored: datetime | None,
    tier: UserTier,
    created_at: datetime,
    policy: AudioPolicy = DEFAULT_POLICY,
) -> datetime:
    """Return when audio expires: as stored or by its owner's tier now, whichever is later, UTC.

    So an upgrade keeps what it can still save, and a downgrade shortens nothing once promised.
    """
    by_tier = retention_expiry(tier, created_at, policy)
    return by_tier if stored is None else max(to_utc(stored), by_tier)


def deletion_due(retention_expires_at: datetime, policy: AudioPolicy = DEFAULT_POLICY) -> datetime:
    """Return the first instant at which the audio may be deleted: expiry plus grace, in UTC."""
    return to_utc(retention_expires_at) + timedelta(days=policy.cleanup.grace_period_days)


def should_delete_audio(
    retention_expires_at: datetime | None,
    *,
    as_of: datetime,
    policy: AudioPolicy = DEFAULT_POLICY,
) -> bool:
    """Decide whether audio must go: at or after expiry plus grace.

    Without an expiry nothing is ever deleted: nobody has promised a date.
    """
    moment = to_utc(as_of)
    return retention_expires_at is not None and moment >= deletion_due(retention_expires_at, policy)
