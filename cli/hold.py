"""`kaiwa-audio hold`: place, release and list legal holds."""

from typing import Annotated

import typer
from rich.table import Column, Table

from cli.errors import errors_to_stderr
from cli.terminal import Terminal
from schema.states import HoldScope

app = typer.Typer(help="Legal holds: recordings that must not be deleted.", no_args_is_help=True)
console = Terminal()


def _not_empty(value: str) -> str:
    """Reject an empty text."""
    if not value.strip():
        message = "must not be empty."
        raise typer.BadParameter(message)
    return value.strip()


Reason = Annotated[str, typer.Option(help="Reason, such as a case number.", callback=_not_empty)]
By = Annotated[str, typer.Option(help="Name of the person responsible.", callback=_not_empty)]


@app.command()
def place(
    reason: Reason,
    by: By,
    message: Annotated[str | None, typer.Option(help="Id of a message.")] = None,
    conversation: Annotated[str | None, typer.Option(help="Id of a conversation.")] = None,
    user: Annotated[str | None, typer.Option(help="Id of a user (UUID).")] = None,
) -> None:
    """Keep the recordings of one message, conversation or user.

    Waits for a deletion in progress; afterwards nothing that the hold covers is deleted. If a
    deletion lost its database session, asks the bucket after 90 s how it ended.
    """
    given = {
        HoldScope.MESSAGE: message,
        HoldScope.CONVERSATION: conversation,
        HoldScope.USER: user,
    }
    subjects = [(scope, id_) for scope, id_ in given.items() if id_]
    if len(subjects) != 1:
        problem = "Use exactly one of --message, --conversation and --user."
        raise typer.BadParameter(problem)
    from tasks import holds  # loads SQLAlchemy: only when a command needs it

    with errors_to_stderr():
        _, change = holds.place(*subjects[0], reason, by, tell=console.print)
    console.print(change)


@app.command()
def release(
    hold_id: Annotated[int, typer.Argument(help="Number of the hold, from `hold list`.")],
    by: By,
) -> None:
    """Release a hold; recordings that are due are deleted by the next sweep."""
    from tasks import holds

    with errors_to_stderr():
        change = holds.release(hold_id, by)
    console.print(change)


@app.command(name="list")
def list_() -> None:
    """List the active holds, oldest first."""
    from tasks import holds

    with errors_to_stderr():
        active = holds.active()
    table = Table("Hold", Column("On", overflow="fold"), "Reason", "Placed by", "Placed at (UTC)")
    for hold in active:
        table.add_row(
            str(hold.hold_id),
            f"{hold.scope} {hold.subject_id}",
            hold.reason,
            hold.placed_by,
            f"{hold.placed_at:%Y-%m-%d %H:%M}",
        )
    console.print(table if active else "There is no active legal hold.")
