"""The measurement under Prefect: its form, its artifact, its final state."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from prefect.exceptions import ParameterTypeError

from flows.measure_costs import measure_costs
from schema.clock import utc_now
from schema.errors.reporting import NotYetMeasurable
from tasks.costs import alerts
from tests.flows.test_reconcile_bucket import newest_artifact

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]


@pytest.fixture(autouse=True)
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("KAIWA_REPORTS_DIR", str(tmp_path))


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


def test_an_undelivered_alert_fails_the_run_after_its_report(monkeypatch, tmp_path):
    def refuse(*_):
        msg = "The server refuses events."
        raise ConnectionError(msg)

    monkeypatch.setattr(alerts, "_emit", refuse)
    with pytest.raises(ConnectionError, match="refuses events"):
        measure_costs(transferred_gb_month=222)
    assert "Transfer: 222 GB per month" in newest_artifact("measure-costs").data
    assert (tmp_path / "costs" / "by_tier.csv").exists()


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
