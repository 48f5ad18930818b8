"""The command `kaiwa-audio`."""

import typer

from cli import backfill, database, hold, ledger, prefect, storage
from cli.analyze import analyze
from cli.engines import engines
from cli.terminal import Commands
from cli.url import url

app = typer.Typer(
    cls=Commands,
    help="Analyse recordings and operate the batch side of Kaiwa.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold secrets
)
app.command()(analyze)
app.command()(engines)
app.command()(url)
app.add_typer(backfill.app, name="backfill")
app.add_typer(database.app, name="database")
app.add_typer(hold.app, name="hold")
app.add_typer(ledger.app, name="ledger")
app.add_typer(prefect.app, name="prefect")
app.add_typer(storage.app, name="storage")
