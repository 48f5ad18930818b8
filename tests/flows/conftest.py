"""Fixtures of all flow tests: one Prefect server, and the role of `deployments/grants.sql`."""

import os

import pytest
import sqlalchemy as sa
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from tests.support.granting import batch_login


@pytest.fixture
def login_url(engine, database_url):
    """URL of a login with the flows' rights alone, so that every flow test proves them enough."""
    return batch_login(engine, database_url)


@pytest.fixture(scope="session")
def prefect_server():
    """Run flows, and processes started by tests, against a temporary server."""
    quiet = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False}
    with temporary_settings(quiet), prefect_test_harness(server_startup_timeout=60):
        os.environ["PREFECT_API_URL"] = PREFECT_API_URL.value()
        yield
        del os.environ["PREFECT_API_URL"]


@pytest.fixture
def count(engine):
    """Count the rows of a table."""

    def _count(table):
        with engine.connect() as connection:
            return connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()

    return _count
