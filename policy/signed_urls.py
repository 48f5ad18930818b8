"""How long a presigned URL lives, and when it is signed anew.

The app's `calculateSignedUrlExpiry` and `needsSignedUrlRefresh`, and one rule that the app lacks:
a URL never outlives its audio.
"""

from datetime import datetime, timedelta

from policy.configuration import DEFAULT_POLICY, AudioPolicy
from policy.instants import to_utc
from policy.retention import deletion_due


def signed_url_expiry(signed_at: datetime, policy: AudioPolicy = DEFAULT_POLICY) -> datetime:
    """Return when a URL signed at `signed_at` expires, in UTC."""
    return to_utc(signed_at) + timedelta(days=policy.signed_url_ttl_days)


def signed_url_expiry_of_audio(
    signed_at: datetime,
    retention_expires_at: datetime | None,
    policy: AudioPolicy = DEFAULT_POLICY,
) -> datetime | None:
    """Return when a URL of this audio expires: by its age, or when the audio may be deleted.

    Returns:
        None if the audio is already due for deletion: then no URL may be signed.
    """
    expiry = signed_url_expiry(signed_at, policy)
    if retention_expires_at is None:
        return expiry
    due = deletion_due(retention_expires_at, policy)
    return min(expiry, due) if due > to_utc(signed_at) else None


def needs_signed_url_refresh(
    expires_at: datetime | None, *, as_of: datetime, policy: AudioPolicy = DEFAULT_POLICY
) -> bool:
    """Decide whether to sign anew: no URL yet, or it ends at or before `as_of` + lead time."""
    horizon = to_utc(as_of) + timedelta(days=policy.signed_url_lead_time_days)
    return expires_at is None or to_utc(expires_at) <= horizon
