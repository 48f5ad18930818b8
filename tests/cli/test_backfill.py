"""Output of `kaiwa-audio backfill`."""

import pytest
from typer.testing import CliRunner

from cli.main import app
from stores.backfill import backfills

pytestmark = pytest.mark.usefixtures("at_database")


def release(*arguments, **options):
    return CliRunner().invoke(app, ["backfill", "release", *arguments], **options)


def test_a_backfill_is_released_once_a_person_agrees(add_scored, freeze, engine):
    add_scored()
    number = str(freeze())
    early = release(number, "--yes")
    assert early.exit_code == 1
    assert "has not ended" in early.output
    with engine.begin() as connection:
        backfills.end(connection, int(number), {})
    assert release(number, input="n\n").exit_code == 1
    agreed = release(number, input="y\n")
    assert agreed.exit_code == 0
    assert "Released: discarded the previous analyses of 0 messages." in agreed.output
    again = release(number, "--yes")
    assert again.exit_code == 1
    assert f"Backfill {number} was released" in again.output


def test_an_unknown_backfill_number_is_reported():
    refused = release("99", "--yes")
    assert refused.exit_code == 1
    assert "Backfill 99 does not exist" in refused.output
