"""Cost of storing and transferring audio."""

from dataclasses import dataclass, fields, replace
from enum import StrEnum

from policy.configuration import DEFAULT_POLICY, AudioPolicy, CostRules
from schema.errors.reporting import PriceRefused
from schema.facts.costs import MonthlyCost, Transfer
from schema.states import TransferSource

BYTES_PER_GB = 1024**3  # the app's gigabyte
DAYS_PER_MONTH = 30  # the app's month

# Assumed where no log shows the transfer; as in the app's own examples.
ESTIMATED_READS_PER_UPLOAD = 1.0
WRITES_PER_UPLOAD = 1.0


class PriceBookName(StrEnum):
    """Names of the price books."""

    KAIWA = "kaiwa"
    TIGRIS = "tigris"
    S3 = "s3"


def require_amount(name: str, amount: float) -> None:
    """Raise unless a price or an amount is finite and not negative.

    Raises:
        PriceRefused: If it is negative, infinite or NaN.
    """
    if not 0 <= amount < float("inf"):
        raise PriceRefused(name, amount)


@dataclass(frozen=True, slots=True)
class PriceBook:
    """A provider's prices in US dollars; they may be zero."""

    name: str
    storage_usd_per_gb_month: float
    transfer_usd_per_gb: float
    read_usd_per_1000: float = 0.0  # GET, HEAD
    write_usd_per_1000: float = 0.0  # PUT, COPY, POST, LIST; DELETE is free everywhere
    free_transfer_gb_month: float = 0.0

    def __post_init__(self) -> None:
        """Check the prices.

        Raises:
            PriceRefused: If one is negative, infinite or NaN.
        """
        for price in fields(self)[1:]:
            require_amount(price.name, getattr(self, price.name))


def prices_of(
    name: PriceBookName = PriceBookName.KAIWA,
    rules: CostRules = DEFAULT_POLICY.costs,
    **stated: float | None,
) -> PriceBook:
    """Return the named prices.

    Args:
        name: `kaiwa` has the policy's own two prices; its requests are free.
        rules: The policy.
        stated: Prices that replace the book's, by field name; None: the book's.

    Raises:
        PriceRefused: If one is negative, infinite or NaN.
    """
    own = PriceBook(
        PriceBookName.KAIWA.value, rules.storage_usd_per_gb_month, rules.transfer_usd_per_gb
    )
    book = _PRESETS.get(name, own)
    changes = {price: usd for price, usd in stated.items() if usd is not None}
    return replace(book, name=f"{book.name}, changed", **changes) if changes else book


# Without introductory offers and free allowances of a few GB.
_PRESETS = {
    # https://www.tigrisdata.com/docs/pricing/, standard tier, one region.
    PriceBookName.TIGRIS: PriceBook(
        "tigris",
        storage_usd_per_gb_month=0.02,
        transfer_usd_per_gb=0.0,
        read_usd_per_1000=0.0005,
        write_usd_per_1000=0.005,
    ),
    # https://aws.amazon.com/s3/pricing/, us-east-1, standard; up to 50 TB stored, 10 TB sent.
    PriceBookName.S3: PriceBook(
        "s3",
        storage_usd_per_gb_month=0.023,
        transfer_usd_per_gb=0.09,
        read_usd_per_1000=0.0004,
        write_usd_per_1000=0.005,
        free_transfer_gb_month=100.0,
    ),
}


@dataclass(frozen=True, slots=True)
class MonthOfTraffic:
    """The bucket's traffic in 30 days, measured or assumed."""

    transfer: Transfer
    reads: float
    writes: float


@dataclass(frozen=True, slots=True)
class LoggedTraffic:
    """The bucket's traffic on the days of the last 30 that an access log covers."""

    days: int
    sent_bytes: int
    reads: int
    writes: int


def month_of_traffic(
    *,
    uploaded_bytes: int,
    uploaded_objects: int,
    logged: LoggedTraffic,
    stated_gb: float | None = None,
) -> MonthOfTraffic:
    """Return a month's traffic from the best available source, with the source.

    Args:
        uploaded_bytes: In the last 30 days; without other sources, each counts as sent once.
        uploaded_objects: In the last 30 days; without a log, each counts as one write and one read.
        logged: From the bucket's access log; fewer than 30 days are scaled up.
        stated_gb: Transfer in GB per month; overrides the log.

    Raises:
        PriceRefused: If `stated_gb` is negative, infinite or NaN.
    """
    reads, writes = (
        uploaded_objects * ESTIMATED_READS_PER_UPLOAD,
        uploaded_objects * WRITES_PER_UPLOAD,
    )
    if logged.days:
        scale = DAYS_PER_MONTH / logged.days
        reads, writes = logged.reads * scale, logged.writes * scale
    if stated_gb is not None:
        require_amount("transferred_gb_month", stated_gb)
        stated = Transfer(stated_gb * BYTES_PER_GB, TransferSource.STATED, DAYS_PER_MONTH)
        return MonthOfTraffic(stated, reads, writes)
    if logged.days:
        sent = Transfer(logged.sent_bytes * scale, TransferSource.ACCESS_LOG, logged.days)
        return MonthOfTraffic(sent, reads, writes)
    estimate = uploaded_bytes * ESTIMATED_READS_PER_UPLOAD
    return MonthOfTraffic(Transfer(estimate, TransferSource.ESTIMATE, 0), reads, writes)


def monthly_cost(stored_bytes: float, traffic: MonthOfTraffic, prices: PriceBook) -> MonthlyCost:
    """Return the cost of a month with this stored volume and traffic."""
    sent_gb = traffic.transfer.month_bytes / BYTES_PER_GB
    return MonthlyCost(
        storage_usd=storage_usd_month(stored_bytes, prices),
        transfer_usd=max(0.0, sent_gb - prices.free_transfer_gb_month) * prices.transfer_usd_per_gb,
        requests_usd=(
            traffic.reads * prices.read_usd_per_1000 + traffic.writes * prices.write_usd_per_1000
        )
        / 1000,
    )


def storage_usd_month(stored_bytes: float, prices: PriceBook) -> float:
    """Return the cost of storing so many bytes for a month."""
    return stored_bytes / BYTES_PER_GB * prices.storage_usd_per_gb_month


def storage_cost_usd(
    total_size_bytes: int, retention_days: float, policy: AudioPolicy = DEFAULT_POLICY
) -> float:
    """Estimate the cost of keeping `total_size_bytes` for `retention_days`, in US dollars.

    Like the app's `estimateStorageCost`, with the same order of operations, so that both round to
    the same cents.

    Raises:
        ValueError: If the size or the days are negative.
    """
    if total_size_bytes < 0 or retention_days < 0:
        msg = f"{total_size_bytes} bytes for {retention_days} days: neither may be negative."
        raise ValueError(msg)
    size_gb = total_size_bytes / BYTES_PER_GB
    usd_per_day = size_gb * policy.costs.storage_usd_per_gb_month / DAYS_PER_MONTH
    return usd_per_day * retention_days
