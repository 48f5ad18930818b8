"""How commands end when something expected goes wrong: a message, no traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.exc import OperationalError, ProgrammingError

from schema.errors import KaiwaError
from speech.errors import SpeechError


@contextmanager
def told(exit_code: int = 1) -> Iterator[None]:
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
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        stderr.print(f"The database does not answer: {reason}", style="red", markup=False)
        stderr.print("Check DATABASE_URL, and that the server runs.", style="red")
        raise typer.Exit(exit_code) from None
    except ProgrammingError as error:
        # Its first line names the right or the table; the others would quote a statement.
        reason = str(error.orig).strip().splitlines()[0]
        stderr.print(f"The database refuses: {reason}", style="red", markup=False)
        stderr.print("Connect as a role that may read the app's tables.", style="red")
        raise typer.Exit(exit_code) from None
    except ValidationError as error:
        # The values stay out of it: they may be secrets.
        for problem in error.errors(include_input=False, include_url=False):
            where = " or ".join(str(part) for part in problem["loc"])
            stderr.print(f"{where}: {problem['msg']}", style="red", markup=False)
        stderr.print("Set the variable, or source the `env` file of a local stack.", style="red")
        raise typer.Exit(exit_code) from None
