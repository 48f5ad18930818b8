"""What stored audio costs."""

from policy.configuration import DEFAULT_POLICY, AudioPolicy

BYTES_PER_GB = 1024**3  # the app's gigabyte
DAYS_PER_MONTH = 30  # the app's month


def storage_cost_usd(
    total_size_bytes: int, retention_days: float, policy: AudioPolicy = DEFAULT_POLICY
) -> float:
    """Estimate what keeping `total_size_bytes` for `retention_days` costs, US dollars.

    The app's `estimateStorageCost`, in its order of operations, so that both print the same cents.

    Raises:
        ValueError: If the size or the days are negative.
    """
    if total_size_bytes < 0 or retention_days < 0:
        msg = f"{total_size_bytes} bytes for {retention_days} days: neither can be negative."
        raise ValueError(msg)
    size_gb = total_size_bytes / BYTES_PER_GB
    usd_per_day = size_gb * policy.costs.storage_usd_per_gb_month / DAYS_PER_MONTH
    return usd_per_day * retention_days
