import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta

import pytest
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from policy.configuration import DEFAULT_POLICY
from policy.costs import BYTES_PER_GB
from schema.facts.costs import Transfer
from schema.states import ThresholdMeasure, TransferSource
from tasks.costs.alerts import THRESHOLD_EVENT, alert_on_thresholds
from tests.support.costs import AS_OF, forecast, measured, nothing_measured
from tests.support.listening import listening

pytestmark = pytest.mark.usefixtures("stage")

DAY = timedelta(days=1)
STORED, TRANSFERRED = ThresholdMeasure
STORED_LIMIT = int(DEFAULT_POLICY.costs.storage_alert_threshold_gb * BYTES_PER_GB)
TRANSFER_LIMIT = int(DEFAULT_POLICY.costs.transfer_alert_threshold_gb * BYTES_PER_GB)
ALERT_IN_A_PROCESS = """
from tasks.costs.alerts import alert_on_thresholds
from tests.tasks.costs.test_alerts import STORED_LIMIT, report
alert_on_thresholds.fn(report(STORED_LIMIT))
"""


def report(stored=0, transferred=0, days=0, **fields):
    transfer = Transfer(transferred, fields.pop("source", TransferSource.STATED), 30)
    return measured(5, bytes=stored, transfer=transfer, as_of=AS_OF + days * DAY, **fields)


def alert(*arguments, **fields):
    return alert_on_thresholds.fn(report(*arguments, **fields))


@pytest.fixture
def prefect_api():
    """A stub of a Prefect server that records events."""
    with (
        listening() as api,
        temporary_settings({PREFECT_API_URL: f"{api.url}/api", PREFECT_CLIENT_MAX_RETRIES: 0}),
    ):
        yield api


def events(api):
    return [event for batch in api.bodies("/api/events") for event in batch]


def test_a_measure_below_its_threshold_causes_no_alert(prefect_api):
    assert alert(STORED_LIMIT - 1, TRANSFER_LIMIT - 1) == []
    assert alert_on_thresholds.fn(nothing_measured()) == []
    assert events(prefect_api) == []


def test_storage_at_its_threshold_causes_an_alert_with_all_details(prefect_api):
    expected = forecast(90, STORED_LIMIT, BYTES_PER_GB / 3)
    assert alert(STORED_LIMIT, forecast=expected) == [STORED]
    (event,) = events(prefect_api)
    assert event["event"] == THRESHOLD_EVENT == "kaiwa.costs.threshold-crossed"
    assert event["resource"]["prefect.resource.id"] == "kaiwa.costs.stored"
    assert "sweep-retention" in event["payload"].pop("what_to_do")
    assert event["payload"] == {
        "measure": "stored",
        "value_gb": 50.0,
        "threshold_gb": 50.0,
        "source": "measured",
        "as_of": "2026-03-01T03:30:00+00:00",
        "expected_gb_in_30_days": pytest.approx(60.0),
    }


@pytest.mark.parametrize("source", TransferSource)
def test_traffic_is_labelled_by_its_source(prefect_api, source):
    assert alert(0, 1.5 * TRANSFER_LIMIT, source=source) == [TRANSFERRED]
    (event,) = events(prefect_api)
    assert event["resource"]["prefect.resource.id"] == "kaiwa.costs.transferred"
    assert (event["payload"]["value_gb"], event["payload"]["source"]) == (150.0, source)
    assert event["payload"]["expected_gb_in_30_days"] is None


def test_a_short_forecast_expects_nothing(prefect_api):
    alert(STORED_LIMIT, forecast=forecast(29, STORED_LIMIT, 1))
    assert events(prefect_api)[0]["payload"]["expected_gb_in_30_days"] is None


def test_both_measures_are_distinguished(prefect_api):
    assert alert(STORED_LIMIT, TRANSFER_LIMIT) == [STORED, TRANSFERRED]
    first, second = events(prefect_api)
    assert first["id"] != second["id"]


def test_a_measure_above_causes_one_alert_until_it_rises_again(prefect_api):
    stocks = [1, 1.2, 0.97, 1, 0.94, 0.97, 1.01, 1.1]
    alerts = [alert(share * STORED_LIMIT, days=day) for day, share in enumerate(stocks)]
    assert alerts == [[STORED], [], [], [], [], [], [STORED], []]
    first, second = events(prefect_api)
    assert first["id"] != second["id"]


def test_a_run_for_the_same_instant_or_a_past_day_causes_no_alert(prefect_api):
    alert(0)
    assert alert(STORED_LIMIT) == []
    assert alert(STORED_LIMIT, days=-1) == []
    assert events(prefect_api) == []
    assert alert(STORED_LIMIT, days=1) == [STORED]


def test_two_runs_at_once_tell_it_once(prefect_api):
    both = threading.Barrier(2)

    def run(days):
        both.wait()
        return alert(STORED_LIMIT, days=days)

    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(copy_context().run, run, days) for days in (0, 1)]
        assert sorted(done.result() for done in runs) == [[], [STORED]]
    assert len(events(prefect_api)) == 1


def test_alerts_that_the_prefect_server_did_not_accept_are_sent_by_the_next_run(prefect_api):
    prefect_api.answer = lambda: 500
    with pytest.raises(PrefectHTTPStatusError):
        alert(STORED_LIMIT)
    prefect_api.answer = lambda: 204
    assert alert(STORED_LIMIT, days=1) == [STORED]
    refused, taken = events(prefect_api)
    assert refused["id"] == taken["id"]


@pytest.mark.slow
def test_a_run_that_is_killed_before_it_could_note_its_alert_repeats_it(prefect_api, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", f"{prefect_api.url}/api")
    sent = threading.Event()

    def kill():
        process.kill()
        sent.set()
        return 204

    prefect_api.answer = kill
    process = subprocess.Popen([sys.executable, "-c", ALERT_IN_A_PROCESS])
    assert sent.wait(timeout=120)
    assert process.wait(timeout=60) < 0
    prefect_api.answer = lambda: 204
    assert alert(STORED_LIMIT) == [STORED]
    first, second = events(prefect_api)
    assert first["id"] == second["id"]
