from typer.testing import CliRunner

from local.__main__ import app
from local.stack import Stack

# Up, down and status of a running stack: tests/local/test_stack.py.


def stack(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_status_of_a_stack_that_is_down_fails_and_says_so(tmp_path):
    result = stack("status", "--folder", tmp_path)
    assert result.exit_code == 1
    for part in ("Postgres", "S3", "Prefect server", "Prefect worker"):
        assert part in result.output
    assert " up" not in result.output


def test_down_without_a_stack_is_no_error(tmp_path):
    assert stack("down", "--folder", tmp_path / "none").exit_code == 0


def test_a_busy_stack_is_told_without_a_traceback(tmp_path):
    with Stack(tmp_path)._locked():
        result = stack("up", "--folder", tmp_path)
    assert result.exit_code == 1
    assert "Another command" in result.output
    assert "Traceback" not in result.output
