"""Prometheus can parse the exported measurement."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reports.cost_metrics import metrics
from tests.support.costs import AS_OF, groups, measured, nothing_measured


def read(report):
    """Return the families by name, and each sample's value by its name and sorted labels."""
    families = list(text_string_to_metric_families(metrics(report).decode()))
    samples = {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
    return {family.name: family for family in families}, samples


def test_every_metric_is_a_gauge_with_a_help_text():
    families, _ = read(measured())
    for name, family in families.items():
        assert name.startswith("kaiwa_audio_")
        assert family.type == "gauge"
        assert family.documentation.endswith(".")


def test_the_figures_are_those_of_the_report():
    report = measured()
    _, samples = read(report)
    free = report.by_tier.filter(report.by_tier["group"] == "free").row(0, named=True)
    assert samples["kaiwa_audio_stored_bytes", "free"] == free["bytes"]
    assert samples["kaiwa_audio_stored_objects", "free"] == free["objects"]
    audio = samples["kaiwa_audio_stored_audio_seconds", "free"]
    assert audio == pytest.approx(60 * free["audio_minutes"])
    parts = [
        samples["kaiwa_audio_monthly_cost_usd", p] for p in ("storage", "transfer", "requests")
    ]
    assert sum(parts) == pytest.approx(report.cost.total_usd)
    sent = samples["kaiwa_audio_monthly_transfer_bytes", "estimate"]
    assert sent == report.transfer.month_bytes
    month = report.forecast.row(29, named=True)
    assert samples["kaiwa_audio_forecast_bytes", "expected", "30"] == month["expected_bytes"]
    assert samples["kaiwa_audio_forecast_bytes", "low", "30"] == month["low_bytes"]
    assert samples["kaiwa_audio_forecast_bytes", "high", "90"] > month["high_bytes"]
    assert samples["kaiwa_audio_threshold_bytes", "50"] == 50 * 1024**3
    assert samples["kaiwa_audio_analyses_30d", "failed"] == 12
    assert samples["kaiwa_audio_analyses_30d_seconds", "audio"] == 12_600
    assert samples["kaiwa_audio_analyses_30d_seconds", "analysis"] == 5400
    assert samples["kaiwa_audio_grace_bytes",] == report.grace_bytes
    assert samples["kaiwa_audio_measured_timestamp_seconds",] == AS_OF.timestamp()


def test_an_empty_bucket_has_figures_too():
    _, samples = read(nothing_measured())
    assert samples["kaiwa_audio_monthly_cost_usd", "storage"] == 0
    assert not [key for key in samples if key[0] == "kaiwa_audio_forecast_bytes"]


def test_no_name_breaks_the_format():
    name = 'x"} 1\n# \\ \r kaiwa_audio_stored_bytes'
    _, samples = read(measured(by_tier=groups(**{name: 7})))
    assert samples["kaiwa_audio_stored_bytes", name] == 7
