"""The measurement under Prefect: its form, its artifact, its final state."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from prefect.exceptions import ParameterTypeError

from flows.measure_costs import measure_costs
from policy.configuration import AudioPolicy, CostRules
from schema.clock import utc_now
from schema.errors.reporting import NotYetMeasurable
from schema.states import ThresholdMeasure
from tasks.costs import alerts
from tests.flows.test_reconcile_bucket import newest_artifact

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]


@pytest.fixture(autouse=True)
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("KAIWA_REPORTS_DIR", str(tmp_path))


@pytest.fixture
def alerted(monkeypatch):
    """Collect the measures that alert; the thresholds are 1 GB stored and 1 GB transferred."""
    measures = []
    limits = CostRules(storage_alert_threshold_gb=1.0, transfer_alert_threshold_gb=1.0)
    monkeypatch.setattr(alerts, "DEFAULT_POLICY", AudioPolicy(costs=limits))
    monkeypatch.setattr(alerts, "_emit", lambda reading, *_: measures.append(reading.measure))
    return measures


@pytest.fixture
def days_written(engine):
    def _days_written():
        query = "SELECT DISTINCT day FROM audio_ops.storage_metric ORDER BY 1"
        with engine.connect() as connection:
            return list(connection.execute(sa.text(query)).scalars())

    return _days_written


def test_a_run_measures_writes_and_publishes(add_message, days_written):
    yesterday = utc_now() - timedelta(days=1)
    add_message(timestamp=yesterday, audio_size_bytes=1000)
    report = measure_costs()
    assert (report.objects, report.bytes) == (1, 1000)
    assert days_written()[-1] == report.as_of.date()
    assert newest_artifact("measure-costs").data


def test_an_undelivered_alert_fails_the_run_after_its_report(add_message, monkeypatch, tmp_path):
    def refuse(*_):
        msg = "The server refuses events."
        raise ConnectionError(msg)

    monkeypatch.setattr(alerts, "_emit", refuse)
    add_message(timestamp=utc_now() - timedelta(days=1), audio_size_bytes=2**31 - 1)
    limits = CostRules(storage_alert_threshold_gb=1.0)
    monkeypatch.setattr(alerts, "DEFAULT_POLICY", AudioPolicy(costs=limits))
    with pytest.raises(ConnectionError, match="refuses events"):
        measure_costs()
    assert "2.00 GB in 1 recording," in newest_artifact("measure-costs").data
    assert (tmp_path / "costs" / "by_tier.csv").exists()


@pytest.mark.parametrize(
    "stated",
    [
        {"transferred_gb_month": 100.0},
        {"storage_usd_per_gb_month": 0.5},
        {"transfer_usd_per_gb": 0.0},
        {"read_usd_per_1000": 1.0},
        {"write_usd_per_1000": 1.0},
        {"as_of": datetime(2025, 11, 1, tzinfo=UTC)},
    ],
)
def test_a_what_if_alerts_nobody_and_leaves_the_alert_to_the_next_real_run(
    add_message, days_written, alerted, tmp_path, count, stated
):
    add_message(timestamp=utc_now() - timedelta(days=60), audio_size_bytes=2**31 - 1)
    measure_costs(**stated)
    assert alerted == []
    assert days_written() == []
    assert count("audio_ops.threshold_state") == 0
    assert list(tmp_path.iterdir()) == []  # dashboards read the files
    artifact = newest_artifact("measure-costs")
    assert artifact.data.startswith("**What-if: nothing was stored and nobody was alerted**")
    for key in ("", "-by-tier", "-by-language", "-charts"):
        assert newest_artifact(f"measure-costs{key}").description.startswith("What-if: ")
    measure_costs()
    assert alerted == [ThresholdMeasure.STORED]
    assert "What-if" not in newest_artifact("measure-costs").data


def test_a_what_if_shows_the_history_that_is_not_stored(add_message):
    for days in range(1, 4):
        add_message(timestamp=utc_now() - timedelta(days=days), audio_size_bytes=1000)
    report = measure_costs(transferred_gb_month=5)
    assert report.daily.filter(tier="free")["bytes"].to_list()[-1] == 3000
    assert report.transfer.month_bytes == 5 * 1024**3


def test_an_instant_in_the_future_is_refused_before_anything_is_written(days_written):
    with pytest.raises(NotYetMeasurable):
        measure_costs(as_of=utc_now() + timedelta(days=1))
    assert days_written() == []


def test_an_instant_without_offset_is_refused_before_anything_is_written(days_written):
    with pytest.raises(NotYetMeasurable):
        measure_costs(as_of=datetime(2025, 10, 26, 3, 30))  # noqa: DTZ001 - naive on purpose
    assert days_written() == []


@pytest.mark.parametrize(
    "parameters",
    [{"horizon_days": 0}, {"horizon_days": 366}, {"transferred_gb_month": -1.0}],
)
def test_the_form_refuses_what_is_out_of_bounds(parameters, days_written):
    with pytest.raises(ParameterTypeError):
        measure_costs(**parameters)
    assert days_written() == []


def test_the_form_describes_its_parameters():
    properties = measure_costs.parameters.model_dump()["properties"]
    assert all(field.get("description") for field in properties.values())
