"""`kaiwa-audio database`: inspect, upgrade and roll back the app's database."""

import dataclasses
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.table import Column, Table

from cli.errors import errors_to_stderr
from cli.terminal import Terminal
from migrations.adoption.step import LONGEST_LOCK_SECONDS, Step
from schema.errors.adoption import NotAdoptable
from schema.visible import visible
from schema.wording import counted

if TYPE_CHECKING:
    from migrations.adoption.examination import Examination
    from migrations.adoption.survey import Survey, TextCount
    from migrations.run import Preview

app = typer.Typer(help="Inspect, upgrade or roll back the app's database.", no_args_is_help=True)
console = Terminal()

CANNOT_BE_INSPECTED = 2
DRIFT = 1
_GRANT = "run `kaiwa-audio database grant`."


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare the database at DATABASE_URL with the documented schema; writes nothing.

    Exits with 0 if it matches, 1 if something differs, 2 if it cannot be inspected.
    """
    from migrations import run  # loads Alembic: only when a command needs it

    with errors_to_stderr(CANNOT_BE_INSPECTED):
        found = run.examine(_url())
    if json:
        typer.echo(visible(orjson.dumps(_document(found)).decode()))
    else:
        _tell(found)
    if not found.is_documented:
        raise typer.Exit(DRIFT)


@app.command()
def upgrade(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and change nothing.")
    ] = False,
    longest_lock: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Longest estimated lock on messages while text columns become numbers. A longer"
            " conversion runs in batches while the app continues.",
        ),
    ] = LONGEST_LOCK_SECONDS,
) -> None:
    """Bring the database at DATABASE_URL to the documented schema; safe to repeat."""
    from migrations import run

    with errors_to_stderr():
        if dry_run:
            preview = run.preview(_url(), longest_lock_seconds=longest_lock)
            if preview.obstacles:
                raise NotAdoptable(preview.obstacles)
            _tell_plan(preview)
            return
        done = run.upgrade(_url(), say=console.print, longest_lock_seconds=longest_lock)
    _tell_texts(done.texts)
    if not done.done and not done.revisions:
        console.print("Nothing to do: the database matches the documented schema.")
        return
    seconds = sum(one.seconds for one in done.done)
    console.print(
        f"Done: {counted(len(done.done), 'step')} on the app's tables in {seconds:.1f} s,"
        f" {counted(len(done.revisions), 'revision')} of our own tables."
    )
    with errors_to_stderr():
        _tell_rest(run.examine(_url()))


@app.command()
def grant(
    export_findings: Annotated[
        bool, typer.Option(help="Also grant the rights of the deployment export-findings.")
    ] = False,
) -> None:
    """Grant the roles kaiwa_audio and kaiwa_app their rights; run it after each upgrade.

    Like `upgrade`, it needs the owner of the tables. It creates the roles if that may create any.
    """
    from deployments import grants

    with errors_to_stderr():
        grants.grant(_url(), export_findings=export_findings)
    console.print("Granted: deployments/grants.sql.")


@app.command()
def rollback(
    drop_analyses: Annotated[
        bool,
        typer.Option(help="Drop message_audio_analysis with its rows if the upgrade created it."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
) -> None:
    """Restore the app's tables as they were before `upgrade`, texts byte for byte.

    Our own tables stay in the schema audio_ops, renamed to parked_…
    """
    from migrations import run

    with errors_to_stderr():
        can_roll_back = run.can_roll_back(_url(), drop_analyses=drop_analyses)
    if not can_roll_back:
        console.print("Nothing to restore.")
        return
    if not yes:
        typer.confirm("No flow may run meanwhile. Restore the app's tables?", abort=True)
    with errors_to_stderr():
        done = run.rollback(_url(), drop_analyses=drop_analyses, say=console.print)
    console.print(
        f"Restored in {counted(len(done), 'step')}. Our own tables are parked in audio_ops."
    )


def _url() -> str:
    from settings.environment import DatabaseSettings

    return DatabaseSettings().database_url.get_secret_value()


def _document(found: "Examination") -> dict[str, object]:
    live = found.live
    return {
        "is_documented": found.is_documented,
        "server_version": live.server_version,
        "role": live.role,
        "obstacles": found.obstacles,
        "findings": [
            dataclasses.asdict(finding) | {"is_as_documented": finding.is_as_documented}
            for finding in found.findings
        ],
        "pending_revisions": found.pending,
        "drizzle": None if found.drizzle is None else dataclasses.asdict(found.drizzle),
        "rows": None if found.survey is None else dataclasses.asdict(found.survey),
        "rights": [dataclasses.asdict(one) for one in found.rights],
        "parked": found.parked,
    }


def _tell(found: "Examination") -> None:
    version, role = found.live.server_version, found.live.role
    console.print(f"Postgres {version // 10_000}.{version % 10_000}, connected as {role}.")
    if found.drizzle is not None:
        newest = found.drizzle.newest_at
        made = f", the newest of {newest:%Y-%m-%d}" if newest else ""
        console.print(
            f"The app has recorded {counted(found.drizzle.migrations, 'migration')}{made}."
        )
    console.print(f"Pending revisions of our own tables: {', '.join(found.pending) or 'none'}.")
    if found.drift:
        table = Table("Kind", *map(_uncut, ("Name", "Expected", "Found")))
        for finding in found.drift:
            table.add_row(finding.kind, finding.name, finding.expected, finding.actual)
        console.print(table)
    if found.survey is not None:
        _tell_rows(found.survey)
    _tell_parked(found)
    _tell_rights(found)
    for obstacle in found.obstacles:
        console.print(f"Blocks the upgrade: {obstacle}", style="red")
    total = len(found.findings)
    console.print(f"{total - len(found.drift)} of {counted(total, 'check')} passed.")
    if not found.is_documented and not found.obstacles:
        console.print("`kaiwa-audio database upgrade --dry-run` shows what it would change.")


def _tell_rows(survey: "Survey") -> None:
    _tell_texts(survey.texts)
    if survey.orphans or survey.duplicates:
        console.print(
            f"{counted(survey.orphans, 'analysis has', 'analyses have')} no message;"
            f" {counted(survey.duplicates, 'message has', 'messages have')} several analyses."
        )


def _tell_rest(found: "Examination") -> None:
    """Print what is left to do after an upgrade."""
    _tell_parked(found)
    _tell_rights(found)
    if not found.is_documented:
        console.print("Something changed in the meantime: run `kaiwa-audio database doctor`.")
        raise typer.Exit(DRIFT)
    console.print("The database matches the documented schema.")


def _tell_parked(found: "Examination") -> None:
    for table, rows in found.parked.items():
        if rows:
            console.print(f"Kept in audio_ops.{table}: {counted(rows, 'row')}.")


def _tell_rights(found: "Examination") -> None:
    for rights in found.rights:
        if not rights.exists:
            console.print(f"The role {rights.role} does not exist: {_GRANT}")
        for says, which in (("lacks", rights.missing), ("may still", rights.surplus)):
            if which:
                console.print(f"The role {rights.role} {says} {', '.join(which)}: {_GRANT}")


def _tell_texts(texts: "tuple[TextCount, ...]") -> None:
    if not texts:
        return
    table = Table(_uncut("Column"), title="Texts that become numbers", title_justify="left")
    table.add_column("Pattern")
    for name in ("Texts", "Numbers", "Empty", "Kept as text"):
        table.add_column(name, justify="right")
    for one in texts:
        counts = (one.count, one.read, one.count - one.read, one.kept)
        table.add_row(f"{one.table}.{one.column}", one.shape, *(f"{count:,}" for count in counts))
    console.print(table)


def _uncut(header: str) -> Column:
    return Column(header, overflow="fold")  # wrap instead of truncating in narrow terminals


def _tell_plan(preview: "Preview") -> None:
    if preview.survey is not None:
        _tell_texts(preview.survey.texts)
    if preview.steps:
        _tell_steps(preview.steps)
    if preview.revisions:
        console.print(f"Our own tables in audio_ops: revisions {', '.join(preview.revisions)}.")
    if not preview.steps and not preview.revisions:
        console.print("Nothing to do: the database matches the documented schema.")
    else:
        console.print("Nothing was changed. Run without --dry-run to apply the plan.")


def _tell_steps(steps: tuple[Step, ...]) -> None:
    table = Table("Step", "Locks", show_lines=True)
    for step in steps:
        table.add_row(step.what, step.locks)
    console.print(table)
