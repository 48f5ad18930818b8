"""How long a presigned URL lives, and when it is renewed.

Matches the app's `calculateSignedUrlExpiry` and `needsSignedUrlRefresh`, with two additional rules:
a URL never outlives its audio, nor the credentials that signed it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.instants import to_utc
from policy.retention import deletion_due

SECOND = timedelta(seconds=1)  # the unit of SigV4 lifetimes


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign a URL that expires after so many seconds."""

    expires_in_seconds: int


class Leave(Enum):
    """Why no URL is signed."""

    FRESH = "the URL lives beyond the lead time, or as long as a new one could"
    AUDIO_DUE = "the audio is due for deletion, or being deleted"


UrlVerdict = Sign | Leave


def signed_url_expiry(signed_at: datetime, policy: AudioPolicy = DEFAULT_POLICY) -> datetime:
    """Return when a URL signed at `signed_at` expires, in UTC."""
    return to_utc(signed_at) + timedelta(days=policy.signed_url_ttl_days)


def signed_url_expiry_of_audio(
    signed_at: datetime,
    retention_expires_at: datetime | None,
    policy: AudioPolicy = DEFAULT_POLICY,
) -> datetime | None:
    """Return when a URL of this audio expires: at the end of its TTL, or when the audio is due.

    Returns:
        None if the audio is already due for deletion, so that no URL may be signed.
    """
    expiry = signed_url_expiry(signed_at, policy)
    if retention_expires_at is None:
        return expiry
    due = deletion_due(retention_expires_at, policy)
    return min(expiry, due) if due > to_utc(signed_at) else None


def needs_signed_url_refresh(
    expires_at: datetime | None, *, as_of: datetime, policy: AudioPolicy = DEFAULT_POLICY
) -> bool:
    """Decide whether a URL is missing, or expires at or before `as_of` + lead time."""
    horizon = to_utc(as_of) + timedelta(days=policy.signed_url_lead_time_days)
    return expires_at is None or to_utc(expires_at) <= horizon


def signed_url_verdict(
    expires_at: datetime | None,
    retention_expires_at: datetime | None,
    *,
    deletion_begun: bool = False,
    as_of: datetime,
    credentials_expire_at: datetime | None = None,
    policy: AudioPolicy = DEFAULT_POLICY,
) -> UrlVerdict:
    """Decide whether to renew a message's URL, and for how long.

    A URL shortened to its audio's deletion, or to the expiry of temporary credentials, is not
    renewed although it expires within the lead time: a new one would expire at the same second.

    Args:
        expires_at: Expiry of the current URL; None if there is none.
        retention_expires_at: End of the audio's retention period; None if it is kept for ever.
        deletion_begun: Whether the audio is already being deleted, or its learner erased.
        as_of: When a new URL would be signed, in whole seconds.
        credentials_expire_at: Expiry of the credentials, at least a second later; None for
            permanent ones.
        policy: Lifetime and lead time of URLs, grace period of audio.
    """
    if deletion_begun:
        return Leave.AUDIO_DUE
    if not needs_signed_url_refresh(expires_at, as_of=as_of, policy=policy):
        return Leave.FRESH
    signed_at = to_utc(as_of)
    latest = signed_url_expiry_of_audio(signed_at, retention_expires_at, policy)
    if latest is None or latest - signed_at < SECOND:
        return Leave.AUDIO_DUE
    if credentials_expire_at is not None:
        latest = min(latest, to_utc(credentials_expire_at))
    seconds = (latest - signed_at) // SECOND
    if expires_at is not None and to_utc(expires_at) >= signed_at + seconds * SECOND:
        return Leave.FRESH
    return Sign(seconds)


def deletion_due_until(as_of: datetime, policy: AudioPolicy = DEFAULT_POLICY) -> datetime:
    """Return the latest retention expiry at which audio is due for deletion at `as_of`, in UTC."""
    return to_utc(as_of) - timedelta(days=policy.cleanup.grace_period_days)
