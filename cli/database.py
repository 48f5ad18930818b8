"""`kaiwa-audio database`: our tables in the app's database."""

import typer
from rich.console import Console

from cli.errors import told
from migrations import run
from settings.environment import DatabaseSettings

app = typer.Typer(help="Our tables in the app's database.", no_args_is_help=True)


@app.callback()
def database() -> None:
    """Keep `upgrade` a subcommand while it is the only one."""


@app.command()
def upgrade() -> None:
    """Migrate the database of DATABASE_URL to the newest schema; safe to repeat."""
    with told():
        run.upgrade(DatabaseSettings().database_url.get_secret_value())
    Console(highlight=False).print("The database is at the newest revision.")
