"""How commands end when something expected goes wrong: a message, no traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.exc import DBAPIError, OperationalError

from schema.errors.base import KaiwaError
from speech.errors import SpeechError

INSUFFICIENT_PRIVILEGE = "42501"
LOCK_NOT_AVAILABLE = "55P03"


@contextmanager
def errors_to_stderr(exit_code: int = 1) -> Iterator[None]:
    """Print one of our errors, or what is missing: a setting, a file, a database; then exit."""
    stderr = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        yield
    except (KaiwaError, SpeechError, TimeoutError) as error:  # the last: another migrator works
        stderr.print(str(error), style="red", markup=False)
        raise typer.Exit(exit_code) from None
    except OSError as error:
        if error.filename is None:
            raise
        stderr.print(f"{error.filename}: {error.strerror}.", style="red", markup=False)
        raise typer.Exit(exit_code) from None
    except DBAPIError as error:
        for line in _database_trouble(error):
            stderr.print(line, style="red", markup=False)
        raise typer.Exit(exit_code) from None
    except ValidationError as error:
        # The values stay out of it: they may be secrets.
        for problem in error.errors(include_input=False, include_url=False):
            where = " or ".join(str(part) for part in problem["loc"])
            stderr.print(f"{where}: {problem['msg']}", style="red", markup=False)
        stderr.print("Set the variable, or source the `env` file of a local stack.", style="red")
        raise typer.Exit(exit_code) from None


def _database_trouble(error: DBAPIError) -> tuple[str, str]:
    # The first line names the right or the table; the others would quote a statement or a row.
    reason = str(error.orig).strip().partition("\n")[0]
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate == LOCK_NOT_AVAILABLE:
        return f"The database is busy: {reason}", "Run the command again."
    if sqlstate is None or isinstance(error, OperationalError):
        return f"The database does not answer: {reason}", (
            "Check DATABASE_URL, and that the server runs."
        )
    if sqlstate == INSUFFICIENT_PRIVILEGE:
        advice = "Connect as a role that may read the app's tables."
    else:
        advice = "`kaiwa-audio database doctor` compares it with what is documented."
    return f"The database refuses: {reason}", advice
