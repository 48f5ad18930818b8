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


@pytest.mark.parametrize("answer", [("--yes",), ()])
def test_an_unknown_backfill_number_is_reported_before_anyone_is_asked(answer):
    refused = release("99", *answer)
    assert refused.exit_code == 1
    assert refused.output.startswith("Backfill 99 does not exist")


def test_a_backfill_that_cannot_be_released_is_reported_before_anyone_is_asked(
    add_scored, freeze, engine
):
    add_scored()
    number = str(freeze())
    assert release(number).output.startswith(f"Backfill {number} has not ended.")
    with engine.begin() as connection:
        backfills.end(connection, int(number), {})
    release(number, "--yes")
    assert release(number).output.startswith(f"Backfill {number} was released")
