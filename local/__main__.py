"""The command `python -m local`, which the Makefile calls."""

import typer

from cli.terminal import Commands
from local.commands.demo import demo
from local.commands.screenshots import screenshots
from local.commands.stack import down, status, up

app = typer.Typer(
    cls=Commands,
    help="Run the whole system on this machine, without Docker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals hold secrets
)
for command in (up, down, status, demo, screenshots):
    app.command()(command)

if __name__ == "__main__":
    app(prog_name="python -m local")
