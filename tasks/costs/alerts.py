"""Alerts of `flows/measure_costs.py`: stored audio or transfer has reached its threshold."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.events import Event, Resource
from sqlalchemy import Connection

from policy.configuration import DEFAULT_POLICY
from policy.costs import BYTES_PER_GB, DAYS_PER_MONTH
from policy.thresholds import alert_id, standing_after
from schema.facts.costs import CostReport
from schema.states import ThresholdMeasure
from stores.costs import thresholds
from tasks.resources.database import in_transaction

THRESHOLD_EVENT = "kaiwa.costs.threshold-crossed"
MEASURED = "measured"  # source of the stored volume; that of transfer is a `TransferSource`
_WHAT_TO_DO = {
    ThresholdMeasure.STORED: "Check in the artifact measure-costs which tier grows, and whether"
    " sweep-retention deletes what is due. Then shorten a retention period or raise the threshold.",
    ThresholdMeasure.TRANSFERRED: "Check in the provider's access log which client reads so much."
    " Then stop it or raise the threshold.",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A measure and its threshold; the event's payload, but for `as_of` and `what_to_do`."""

    measure: ThresholdMeasure
    value_gb: float
    threshold_gb: float
    source: str
    expected_gb_in_30_days: float | None  # None: no forecast for that day


@task(cache_policy=NO_CACHE)
def alert_on_thresholds(report: CostReport) -> list[ThresholdMeasure]:
    """Emit `kaiwa.costs.threshold-crossed` for each measure that has reached its threshold.

    The resource is `kaiwa.costs.stored` or `kaiwa.costs.transferred`. A measure alerts once, until
    it has fallen well below its threshold. Payload: `measure`, `value_gb`, `threshold_gb`,
    `source`, `as_of` (ISO, UTC), `expected_gb_in_30_days` (or null), `what_to_do`. A repeated
    event has the same id.

    Returns:
        The measures that alerted.
    """
    return [
        reading.measure
        for reading in _readings(report)
        if in_transaction(_alert_if_crossed, reading, report.as_of)
    ]


def _readings(report: CostReport) -> list[Reading]:
    rules = DEFAULT_POLICY.costs
    stored = Reading(
        ThresholdMeasure.STORED,
        report.bytes / BYTES_PER_GB,
        rules.storage_alert_threshold_gb,
        MEASURED,
        _expected_gb(report),
    )
    transferred = Reading(
        ThresholdMeasure.TRANSFERRED,
        report.transfer.month_bytes / BYTES_PER_GB,
        rules.transfer_alert_threshold_gb,
        report.transfer.source,
        None,
    )
    return [stored, transferred]


def _expected_gb(report: CostReport) -> float | None:
    day = (report.as_of + timedelta(days=DAYS_PER_MONTH)).date()
    expected = report.forecast.filter(pl.col("day") == day)["expected_bytes"]
    return float(expected[0]) / BYTES_PER_GB if len(expected) else None


def _alert_if_crossed(connection: Connection, reading: Reading, as_of: datetime) -> bool:
    """Alert if a measure has crossed its threshold since the last run; return whether it has."""
    before = thresholds.lock(connection, reading.measure)
    after = standing_after(before, reading.value_gb, threshold=reading.threshold_gb, as_of=as_of)
    crossed = after.crossed_at != before.crossed_at
    if crossed:
        # Before the commit: a crash in between repeats the alert, under the same id, but never
        # loses it.
        _emit(reading, as_of, alert_id(reading.measure, before))
    thresholds.write(connection, reading.measure, after)
    return crossed


def _emit(reading: Reading, as_of: datetime, event_id: UUID) -> None:
    """Send an event to the Prefect server, and wait until it is accepted.

    `prefect.events.emit_event` only queues it, and drops it silently if the server is unreachable.
    """
    event = Event(
        id=event_id,
        event=THRESHOLD_EVENT,
        resource=Resource(
            {
                "prefect.resource.id": f"kaiwa.costs.{reading.measure}",
                "prefect.resource.name": reading.measure,
            }
        ),
        payload={
            **asdict(reading),
            "as_of": as_of.isoformat(),
            "what_to_do": _WHAT_TO_DO[reading.measure],
        },
    )
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[event.model_dump(mode="json")])
