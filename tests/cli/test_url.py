"""Output of `kaiwa-audio url`."""

import pytest
from typer.testing import CliRunner

from cli.main import app

pytestmark = pytest.mark.usefixtures("stage")


def url(*arguments):
    return CliRunner().invoke(app, ["url", *arguments])


def test_the_new_url_is_printed_and_nothing_else(record, stored):
    message_id = record(audio=None, audio_url=None, audio_retention_expires_at=None)
    done = url(message_id)
    assert done.exit_code == 0
    assert done.stdout == f"{stored(message_id).audio_url}\n"


def test_a_refusal_says_why(record):
    due = record(audio=None, audio_url=None)
    for message_id, reason in (
        ("nobody", "no such message"),
        (due, "retention and grace periods ended on"),
    ):
        done = url(message_id)
        assert done.exit_code == 1
        assert done.stdout == ""
        assert done.stderr.startswith(f"Message '{message_id}' gets no URL: ")
        assert reason in done.stderr


def test_an_id_that_is_not_utf_8_is_refused_without_a_traceback():
    done = url("\udcff")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Nothing was done. The id of the message contains NUL characters")
