"""What commands do not import: each of these costs a good part of a second or more."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    *("alembic", "boto3", "fastapi", "great_expectations", "httpx", "jinja2", "matplotlib"),
    *("numpy", "pocketsphinx", "polars", "prefect", "psycopg", "scipy", "soundfile"),
    *("sqlalchemy",),
}
DATABASE = {"psycopg", "sqlalchemy"}
RUN = """
import json, sys
from cli.main import app
try:
    app(sys.argv[2:])
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps([name for name in json.loads(sys.argv[1]) if name in sys.modules]))
"""


def imported(*command, code=RUN):
    """Run a command in a process of its own; return the heavy modules that it has imported."""
    arguments = [sys.executable, "-c", code, json.dumps(sorted(HEAVY)), *command]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "command",
    [
        (),
        *(
            (name,)
            for name in (
                "analyze",
                "backfill",
                "database",
                "hold",
                "ledger",
                "prefect",
                "storage",
                "url",
            )
        ),
    ],
)
def test_help_imports_nothing_heavy(command):
    assert imported(*command, "--help") == set()


@pytest.mark.usefixtures("at_database")
@pytest.mark.parametrize("command", [("hold", "list"), ("ledger", "verify")])
def test_a_command_on_the_database_imports_only_what_that_takes(command):
    assert imported(*command) <= DATABASE
