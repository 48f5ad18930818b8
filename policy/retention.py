"""How long audio is kept, and when it must go.

The app's `getRetentionPeriodDays`, `calculateAudioRetentionExpiry` and `shouldDeleteAudio`, exact
on a server in UTC: a day is 24 hours. Periods are half-open: audio is kept up to, not at, its end.
"""

from datetime import datetime, timedelta

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.instants import to_utc
from schema.states import UserTier


def retention_period_days(tier: UserTier, policy: AudioPolicy = DEFAULT_POLICY) -> int:
    """Return the days that audio of `tier` is kept."""
    return policy.retention_days.of(tier)


def retention_expiry(
    tier: UserTier, created_at: datetime, policy: AudioPolicy = DEFAULT_POLICY
) -> datetime:
    """Return when the audio of a message created at `created_at` expires, in UTC."""
    return to_utc(created_at) + timedelta(days=retention_period_days(tier, policy))


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
