"""Expected errors of commands: a message instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from cli.terminal import Terminal
from schema.errors.base import KaiwaError
from schema.visible import visible
from speech.errors import SpeechError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

INSUFFICIENT_PRIVILEGE = "42501"
LOCK_NOT_AVAILABLE = "55P03"


@contextmanager
def errors_to_stderr(exit_code: int = 1) -> Iterator[None]:
    """Print our own errors and those of settings, files and the database; then exit."""
    # Not for `--help`: each takes as long as the rest of the command line.
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    stderr = Terminal(stderr=True)
    try:
        yield
    except (KaiwaError, SpeechError, TimeoutError) as error:  # TimeoutError: a migration runs
        stderr.print(str(error), style="red")
        raise typer.Exit(exit_code) from None
    except OSError as error:
        if error.filename is None:
            raise
        stderr.print(f"{visible(str(error.filename))}: {error.strerror}.", style="red")
        raise typer.Exit(exit_code) from None
    except DBAPIError as error:
        for line in _database_trouble(error):
            stderr.print(line, style="red")
        raise typer.Exit(exit_code) from None
    except ValidationError as error:
        # Do not print the values: they may be secrets.
        for problem in error.errors(include_input=False, include_url=False):
            where = " or ".join(str(part).upper() for part in problem["loc"])
            stderr.print(f"{where}: {problem['msg']}", style="red")
        stderr.print("Set the variable, or source the `env` file of a local stack.", style="red")
        raise typer.Exit(exit_code) from None


def _database_trouble(error: "DBAPIError") -> tuple[str, str]:
    from sqlalchemy.exc import OperationalError

    # Only the first line, which names the privilege or table; the others may quote a row.
    reason = str(error.orig).strip().partition("\n")[0]
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate == LOCK_NOT_AVAILABLE:
        return f"The database is busy: {reason}", "Run the command again."
    if sqlstate is None or isinstance(error, OperationalError):
        return f"The database does not answer: {reason}", (
            "Check DATABASE_URL, and that the server is running."
        )
    if sqlstate == INSUFFICIENT_PRIVILEGE:
        advice = "Connect as a role that may read the app's tables."
    else:
        advice = "`kaiwa-audio database doctor` compares it with the documented schema."
    return f"The database refused: {reason}", advice
