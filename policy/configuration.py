"""The numbers that are policy: one frozen object, the product's promises as defaults."""

from dataclasses import dataclass, field, fields

from schema import object_keys
from schema.states import UserTier

MAX_SIGNED_URL_TTL_DAYS = 7  # SigV4 allows at most 604,800 s, and not every server refuses more


def _require_not_negative(name: str, number: float) -> None:
    if not number >= 0:  # NaN too
        msg = f"{name} is {number}; it must not be negative."
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class RetentionDays:
    """Days that audio is kept, by tier; one field for each `UserTier`."""

    free: int = 30
    plus: int = 90
    premium: int = 365
    guest: int = 1
    system: int = 7

    def __post_init__(self) -> None:
        """Refuse periods that would delete audio before it was recorded."""
        for period in fields(self):
            _require_not_negative(f"retention of {period.name}", getattr(self, period.name))

    def of(self, tier: UserTier) -> int:
        """Return the days for `tier`."""
        days: int = getattr(self, tier.value)
        return days


@dataclass(frozen=True, slots=True)
class CleanupRules:
    """How the sweep deletes."""

    schedule: str = "0 3 * * *"  # cron, UTC
    page_size: int = 100  # rows a page; pages go on until none is due
    grace_period_days: int = 7
    soft_delete: bool = True  # keep the row's key as audit trail
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Refuse a page that never ends the sweep and a grace that runs backwards."""
        _require_not_negative("grace_period_days", self.grace_period_days)
        if self.page_size < 1:
            msg = f"page_size is {self.page_size}; a page needs at least 1 row."
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class CostRules:
    """Prices and the thresholds that alert; a GB is 1024³ bytes, as in the app."""

    storage_alert_threshold_gb: float = 50.0
    transfer_alert_threshold_gb: float = 100.0  # a month
    storage_usd_per_gb_month: float = 0.02
    transfer_usd_per_gb: float = 0.09

    def __post_init__(self) -> None:
        """Refuse prices below zero."""
        for rule in fields(self):
            _require_not_negative(rule.name, getattr(self, rule.name))


@dataclass(frozen=True, slots=True)
class AudioPolicy:
    """All audio policy; the defaults are what the product promises its learners."""

    retention_days: RetentionDays = field(default_factory=RetentionDays)
    signed_url_ttl_days: int = 7
    signed_url_lead_time_days: int = 1  # re-sign a URL this long before it expires
    key_prefix: str = "audio/"  # objects elsewhere in the bucket are not ours to sign or delete
    cleanup: CleanupRules = field(default_factory=CleanupRules)
    costs: CostRules = field(default_factory=CostRules)

    def __post_init__(self) -> None:
        """Refuse URLs that no S3 server need honour, and ones that are stale when signed."""
        if not 1 <= self.signed_url_ttl_days <= MAX_SIGNED_URL_TTL_DAYS:
            msg = (
                f"signed_url_ttl_days is {self.signed_url_ttl_days}; "
                f"S3 signatures live 1 to {MAX_SIGNED_URL_TTL_DAYS} days."
            )
            raise ValueError(msg)
        if not 0 <= self.signed_url_lead_time_days < self.signed_url_ttl_days:
            msg = (
                f"signed_url_lead_time_days is {self.signed_url_lead_time_days}; it must be at "
                f"least 0 and shorter than the {self.signed_url_ttl_days} days a URL lives, "
                "or every run would sign every URL again."
            )
            raise ValueError(msg)

    def key_refusal(self, key: str) -> str | None:
        """Return why an object of this key is not ours to sign or delete, or None if it is."""
        return object_keys.refusal(key, self.key_prefix)


DEFAULT_POLICY = AudioPolicy()
