"""The command `kaiwa-audio`."""

import typer

from cli import backfill, database, hold, ledger, prefect, stack, storage
from cli.analyze import analyze
from cli.demo import demo

app = typer.Typer(
    help="The batch side of Kaiwa: the local stack, the bucket, the jobs.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold secrets
)
app.command()(analyze)
app.command()(demo)
app.add_typer(backfill.app, name="backfill")
app.add_typer(database.app, name="database")
app.add_typer(hold.app, name="hold")
app.add_typer(ledger.app, name="ledger")
app.add_typer(prefect.app, name="prefect")
app.add_typer(stack.app, name="stack")
app.add_typer(storage.app, name="storage")
