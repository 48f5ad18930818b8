"""`kaiwa-audio ledger`: verify the records of deletions and holds; repair the former."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.errors import errors_to_stderr
from cli.hold import By, Reason
from cli.terminal import Terminal
from schema.facts.deletion import LedgerHead, LedgerVerification
from schema.wording import counted

app = typer.Typer(help="The records of all deletions and legal holds.", no_args_is_help=True)
console = Terminal()


def _head(value: str) -> LedgerHead:
    """Parse a head."""
    if not re.fullmatch(r"[0-9]{1,18}:[0-9a-f]{64}", value):
        message = "must be POSITION:HASH, as printed by `ledger verify` and in a sweep's summary."
        raise typer.BadParameter(message)
    position, _, digest = value.partition(":")
    return LedgerHead(int(position), digest)


def _option(name: str, of: str) -> Any:  # noqa: ANN401 - as typer declares it
    return typer.Option(
        name,
        parser=_head,
        metavar="POSITION:HASH",
        help=f"Previously recorded head of {of}; without it, truncation goes undetected.",
    )


Head = Annotated[LedgerHead | None, _option("--head", "the ledger")]
HoldsHead = Annotated[LedgerHead | None, _option("--holds-head", "the history of legal holds")]


@app.command()
def verify(head: Head = None, holds_head: HoldsHead = None) -> None:
    """Recompute the hash chains of deletions and of legal holds; exits with 1 if one is broken."""
    # These load SQLAlchemy: only when the command runs.
    from stores.deletion import hold_history
    from stores.deletion import ledger as store
    from tasks.resources.database import in_transaction

    with errors_to_stderr():
        deletions = in_transaction(store.verify, head)
        holds = in_transaction(hold_history.verify, holds_head)
    for mark in deletions.repairs:
        console.print(
            f"Repaired at position {mark.position:,} on {mark.repaired_at}: {mark.note}.",
            style="yellow",
        )
    intact = _tell("ledger", "entry", "completed deletion", deletions)
    intact &= _tell("history of legal holds", "hold", "event", holds)
    if not intact:
        raise typer.Exit(1)


def _tell(chain: str, entry: str, counts: str, found: LedgerVerification) -> bool:
    """Print the result of verifying a chain; return whether it is intact."""
    broken = found.broken
    if broken is None:
        console.print(f"The {chain} is intact: {counted(found.head.position, counts)}.")
        console.print(f"Head, to be recorded outside this database: {found.head}")
        return True
    where = "outside the chain" if broken.position is None else f"at position {broken.position:,}"
    which = "the end is missing" if broken.entry_id is None else f"{entry} {broken.entry_id}"
    console.print(f"The {chain} is broken {where}, {which}: {broken.problem}.", style="red")
    console.print(f"Intact up to {found.head}. Compare what follows with a backup.")
    return False


@app.command()
def repair(
    by: By,
    reason: Reason,
    evidence: Annotated[
        Path, typer.Option(help="New file for the damaged entries as they are now.", dir_okay=False)
    ],
    head: Head = None,
) -> None:
    """Continue a broken chain behind an entry that marks the repair.

    As the owner of our tables. `verify` shows the repair ever after; it proves nothing about the
    entries from the break on, so first compare them with a backup.
    """
    if evidence.exists():
        message = f"{evidence} exists already."
        raise typer.BadParameter(message)
    from sqlalchemy import Connection

    from stores.deletion import ledger_repair
    from tasks.resources.database import in_transaction

    def work(connection: Connection) -> ledger_repair.Repaired:
        repaired = ledger_repair.repair(connection, by=by, why=reason, noted=head)
        evidence.write_bytes(repaired.evidence)  # before the commit, so that it cannot be lost
        return repaired

    with errors_to_stderr():
        repaired = in_transaction(work)
    console.print(
        f"The ledger is repaired: {counted(repaired.entries, 'entry follows', 'entries follow')} "
        f"anew behind position {repaired.position:,}."
    )
    console.print(f"Head, to be recorded outside this database: {repaired.head}")
    console.print(f"Keep {evidence}: the ledger holds its SHA-256.")
