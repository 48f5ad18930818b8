"""How long audio is kept, and when it is due for deletion.

Matches the app's `getRetentionPeriodDays`, `calculateAudioRetentionExpiry` and `shouldDeleteAudio`
on a server in UTC: a day is 24 hours. Periods are half-open: at its end, audio is expired.
"""

from datetime import datetime, timedelta

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.instants import later, to_utc
from schema.states import UserTier

SUBSCRIBED_TIERS = frozenset({UserTier.FREE, UserTier.PLUS, UserTier.PREMIUM})


def retention_period_days(tier: str, policy: AudioPolicy = DEFAULT_POLICY) -> int:
    """Return the retention period of `tier` in days."""
    return policy.retention_days.of(tier)


def retention_expiry(
    tier: str, created_at: datetime, policy: AudioPolicy = DEFAULT_POLICY
) -> datetime:
    """Return when the audio of a message created at `created_at` expires, in UTC."""
    return later(created_at, timedelta(days=retention_period_days(tier, policy)))


def owner_tier(
    role: str,
    *,
    has_user: bool,
    current_tier: str | None,
) -> UserTier | None:
    """Return the tier that determines how long a message's audio is kept.

    Args:
        role: The message's role: user, assistant or system.
        has_user: Whether its conversation belongs to a learner.
        current_tier: Tier of the learner's newest subscription; empty or None, without a
            subscription or without a tier in it, means free.

    Returns:
        None if the subscription names an unknown tier, whose retention period is unknown.
    """
    if role == "system":
        return UserTier.SYSTEM
    if not has_user:
        return UserTier.GUEST
    name = current_tier or UserTier.FREE
    return UserTier(name) if name in SUBSCRIBED_TIERS else None


def subscription_days(policy: AudioPolicy = DEFAULT_POLICY) -> dict[str, int]:
    """Return learners' retention periods in days, by the `current_tier` of `owner_tier`.

    "" stands for no tier; tiers that are missing are unknown.
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
    """Return when audio expires, in UTC: the later of stored expiry and that of the current tier.

    So an upgrade extends the period of audio that still exists, and a downgrade shortens nothing.
    """
    by_tier = retention_expiry(tier, created_at, policy)
    return by_tier if stored is None else max(to_utc(stored), by_tier)


def deletion_due(retention_expires_at: datetime, policy: AudioPolicy = DEFAULT_POLICY) -> datetime:
    """Return when the audio may be deleted: expiry plus grace period, in UTC."""
    return later(retention_expires_at, timedelta(days=policy.cleanup.grace_period_days))


def should_delete_audio(
    retention_expires_at: datetime | None,
    *,
    as_of: datetime,
    policy: AudioPolicy = DEFAULT_POLICY,
) -> bool:
    """Decide whether audio is due for deletion: at or after expiry plus grace period.

    Audio without an expiry is never deleted.
    """
    moment = to_utc(as_of)
    return retention_expires_at is not None and moment >= deletion_due(retention_expires_at, policy)
