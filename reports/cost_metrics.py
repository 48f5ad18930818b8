"""Metrics of stored audio and its cost, for node-exporter's textfile collector."""

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from policy.costs import BYTES_PER_GB, DAYS_PER_MONTH
from reports.costs import milestones
from schema.facts.costs import CostReport


def metrics(report: CostReport) -> bytes:
    """Return a measurement in Prometheus' text format: base units, labels with few values."""
    registry = CollectorRegistry()
    _stock(registry, report)
    _money(registry, report)
    _forecast(registry, report)
    _analyses(registry, report)
    measured = _gauge(registry, "measured_timestamp_seconds", "Time of the measurement")
    measured.set(report.as_of.timestamp())
    return generate_latest(registry)


def _gauge(registry: CollectorRegistry, name: str, description: str, *labels: str) -> Gauge:
    return Gauge(f"kaiwa_audio_{name}", f"{description}.", labels, registry=registry)


def _stock(registry: CollectorRegistry, report: CostReport) -> None:
    sizes = _gauge(registry, "stored_bytes", "Audio in the bucket, according to its rows", "tier")
    objects = _gauge(registry, "stored_objects", "Recordings in the bucket", "tier")
    audio = _gauge(registry, "stored_audio_seconds", "Length of stored audio", "tier")
    for row in report.by_tier.iter_rows(named=True):
        sizes.labels(row["group"]).set(row["bytes"])
        objects.labels(row["group"]).set(row["objects"])
        audio.labels(row["group"]).set(60 * row["audio_minutes"])
    for name, description, value in (
        (
            "grace_bytes",
            "Stored audio in its grace period",
            report.grace_bytes,
        ),
        ("avoided_bytes", "Audio deleted by retention so far", report.avoided_bytes),
        ("unsized_objects", "Recordings of unknown size", report.unsized_objects),
        (
            "active_learners",
            f"Learners who sent audio in {DAYS_PER_MONTH} days",
            report.active_learners,
        ),
    ):
        _gauge(registry, name, description).set(value)


def _money(registry: CollectorRegistry, report: CostReport) -> None:
    cost = _gauge(registry, "monthly_cost_usd", "Cost of a month at today's volume", "part")
    cost.labels("storage").set(report.cost.storage_usd)
    cost.labels("transfer").set(report.cost.transfer_usd)
    cost.labels("requests").set(report.cost.requests_usd)
    kept = _gauge(
        registry,
        "kept_everything_cost_usd",
        "Cost of a month's storage if retention had deleted nothing",
    )
    kept.set(report.kept_everything_usd)
    sent = _gauge(
        registry,
        "monthly_transfer_bytes",
        f"Bytes sent in {DAYS_PER_MONTH} days; source: stated, access_log or estimate",
        "source",
    )
    sent.labels(report.transfer.source.value).set(report.transfer.month_bytes)


def _forecast(registry: CollectorRegistry, report: CostReport) -> None:
    stock = _gauge(
        registry,
        "forecast_bytes",
        "Forecast of stored bytes; low and high bound the 95 % interval",
        "horizon_days",
        "bound",
    )
    for row in milestones(report).iter_rows(named=True):
        horizon = (row["day"] - report.as_of.date()).days
        for bound in ("expected", "low", "high"):
            stock.labels(horizon, bound).set(row[f"{bound}_bytes"])
    threshold = _gauge(registry, "threshold_bytes", "Stored bytes that trigger an alert", "gb")
    for crossing in report.crossings:
        label = f"{crossing.threshold_gb:g}"
        threshold.labels(label).set(crossing.threshold_gb * BYTES_PER_GB)


def _analyses(registry: CollectorRegistry, report: CostReport) -> None:
    done = report.throughput
    analyses = _gauge(
        registry, "analyses_30d", f"Recordings analysed in {DAYS_PER_MONTH} days", "outcome"
    )
    analyses.labels("analyzed").set(done.analyzed)
    analyses.labels("failed").set(done.failed)
    seconds = _gauge(
        registry,
        "analyses_30d_seconds",
        "Duration of their audio, and of their analysis, each on one core",
        "of",
    )
    seconds.labels("audio").set(3600 * done.audio_hours)
    seconds.labels("analysis").set(done.analysis_seconds)
