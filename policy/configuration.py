"""The policy's numbers in one frozen object; its defaults are what learners were promised."""

from dataclasses import dataclass, field, fields, replace

from schema import object_keys
from schema.states import UserTier
from schema.wording import counted

MAX_SIGNED_URL_TTL_DAYS = 7  # SigV4's limit of 604,800 s, which not every server enforces


def _require_not_negative(name: str, number: float) -> None:
    if not number >= 0:  # NaN too
        msg = f"{name} is {number}; it must not be negative."
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class RetentionDays:
    """Retention period in days, by tier; one field for each `UserTier`."""

    free: int = 30
    plus: int = 90
    premium: int = 365
    guest: int = 1
    system: int = 7

    def __post_init__(self) -> None:
        """Raise if a period is negative."""
        for period in fields(self):
            _require_not_negative(f"retention of {period.name}", getattr(self, period.name))

    def of(self, tier: str) -> int:
        """Return the days for a tier.

        Raises:
            ValueError: If there is no such tier.
        """
        if tier not in set(UserTier):
            msg = f"There is no tier {tier!r}. The tiers are {', '.join(UserTier)}."
            raise ValueError(msg)
        days: int = getattr(self, tier)
        return days


@dataclass(frozen=True, slots=True)
class CleanupRules:
    """How the sweep deletes."""

    schedule: str = "0 3 * * *"  # cron, UTC
    page_size: int = 100  # rows per page; the sweep continues until none is due
    grace_period_days: int = 7
    soft_delete: bool = True  # keep the row's key as audit trail
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Raise if a page has no rows or the grace period is negative."""
        _require_not_negative("grace_period_days", self.grace_period_days)
        if self.page_size < 1:
            msg = f"page_size is {self.page_size}; a page needs at least 1 row."
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class CostRules:
    """Prices and alert thresholds; a GB is 1024³ bytes, as in the app."""

    storage_alert_threshold_gb: float = 50.0
    transfer_alert_threshold_gb: float = 100.0  # per month
    storage_usd_per_gb_month: float = 0.02
    transfer_usd_per_gb: float = 0.09

    def __post_init__(self) -> None:
        """Raise if a number is negative."""
        for rule in fields(self):
            _require_not_negative(rule.name, getattr(self, rule.name))


@dataclass(frozen=True, slots=True)
class AudioPolicy:
    """All audio policy; the defaults are what learners were promised."""

    retention_days: RetentionDays = field(default_factory=RetentionDays)
    signed_url_ttl_days: int = 7
    signed_url_lead_time_days: int = 1  # renew a URL this long before it expires
    key_prefix: str = object_keys.APP_PREFIX  # objects outside it are never signed or deleted
    cleanup: CleanupRules = field(default_factory=CleanupRules)
    costs: CostRules = field(default_factory=CostRules)

    def __post_init__(self) -> None:
        """Raise if URLs would live longer than S3 allows, or need renewal as soon as signed."""
        if not 1 <= self.signed_url_ttl_days <= MAX_SIGNED_URL_TTL_DAYS:
            msg = (
                f"signed_url_ttl_days is {self.signed_url_ttl_days}; "
                f"presigned URLs can live 1 to {MAX_SIGNED_URL_TTL_DAYS} days."
            )
            raise ValueError(msg)
        if not 0 <= self.signed_url_lead_time_days < self.signed_url_ttl_days:
            msg = (
                f"signed_url_lead_time_days is {self.signed_url_lead_time_days}; it must be at "
                f"least 0 and shorter than the "
                f"{counted(self.signed_url_ttl_days, 'day')} a URL lives, "
                "or every run would sign every URL again."
            )
            raise ValueError(msg)

    def key_refusal(self, key: str) -> str | None:
        """Return why an object with this key must not be signed or deleted, or None if it may."""
        return object_keys.refusal(key, self.key_prefix)


DEFAULT_POLICY = AudioPolicy()


def with_grace(days: int, policy: AudioPolicy = DEFAULT_POLICY) -> AudioPolicy:
    """Return the policy with a grace period of `days`, or its own if that is shorter.

    A URL signed by it ends before a sweep with either grace period may delete the recording.
    """
    shorter = min(days, policy.cleanup.grace_period_days)
    return replace(policy, cleanup=replace(policy.cleanup, grace_period_days=shorter))
