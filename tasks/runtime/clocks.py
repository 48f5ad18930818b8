"""Check of this machine's clock."""

from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.resources.clock import require_clock


@task(cache_policy=NO_CACHE)
def check_clocks(as_of: datetime) -> None:
    """Check this machine's clock; see `require_clock`."""
    require_clock(as_of)
