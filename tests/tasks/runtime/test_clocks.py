from datetime import timedelta
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from cli.main import app
from schema.errors.base import ClockSkew
from stores import database
from tasks.runtime.clocks import check_clocks

pytestmark = pytest.mark.usefixtures("stage")


@pytest.fixture
def database_now(engine):
    with engine.connect() as connection:
        return database.now(connection)


@pytest.mark.parametrize("seconds", [-50, 0, 50])
def test_clocks_that_agree_within_a_minute_are_fine(database_now, seconds):
    check_clocks.fn(database_now + timedelta(seconds=seconds))


@pytest.mark.parametrize(("seconds", "words"), [(-70, "behind"), (70, "ahead of")])
def test_a_clock_that_is_off_by_more_is_refused_with_its_direction(database_now, seconds, words):
    with pytest.raises(ClockSkew, match=words):
        check_clocks.fn(database_now + timedelta(seconds=seconds))


def test_a_slow_database_does_not_count_as_a_wrong_clock(database_now, monkeypatch):
    slow = SimpleNamespace(monotonic=iter([0.0, 90.0]).__next__)
    monkeypatch.setattr("tasks.resources.clock.time", slow)
    monkeypatch.setattr(database, "now", lambda _connection: database_now + timedelta(seconds=90))
    check_clocks.fn(database_now)


def test_the_command_that_signs_a_url_checks_the_clock_too(database_now, monkeypatch):
    ahead = database_now + timedelta(hours=2)
    monkeypatch.setattr("cli.url.utc_now", lambda: ahead)
    result = CliRunner().invoke(app, ["url", "message"])
    assert result.exit_code == 1
    assert "ahead of the database's" in result.stderr
