"""`kaiwa-audio engines`: what analyses which language here, and what is not installed."""

import json
from typing import Annotated, Any

import typer

from cli.terminal import Terminal
from policy.languages import TAUGHT
from schema.states import AnalysisEngine

INSTALL = "pip install 'kaiwa-audio[languages]'"


def engines(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """List the engines, their versions and languages here, and what is not installed."""
    # They read model files and packages: only when this command needs them.
    from rich.table import Table

    from cli.errors import errors_to_stderr

    with errors_to_stderr():
        found, taken = _engines(), _taken()
    if as_json:
        typer.echo(json.dumps({"engines": found, "languages": taken}))
        return
    table = Table("Engine", "Version", box=None)
    table.add_column("Model version", overflow="fold")
    table.add_column("Languages here")
    for one in found:
        languages = " ".join(one["languages"]) or "none"
        table.add_row(one["engine"], one["version"], one["model_version"], languages)
    chosen = Table("Language", "Engine of `auto`", box=None)
    for language, engine in taken.items():
        chosen.add_row(language, engine or "none: recordings wait")
    console = Terminal(soft_wrap=False)
    console.print(table)
    console.print()
    console.print(chosen)
    for one in found:
        if one["missing"]:
            typer.echo(f"\n{one['engine']} lacks {' '.join(one['missing'])}. Install: {INSTALL}")


def _engines() -> list[dict[str, Any]]:
    from speech import engine as speech_engine
    from tasks.analysis.engines import engines_by_language, installed_release

    found = []
    for engine in AnalysisEngine:
        if engine is AnalysisEngine.AUTO:
            continue
        release, here = installed_release(engine), engines_by_language(engine)
        found.append(
            {
                "engine": engine.value,
                "version": release.version,
                "model_version": release.model_version,
                "languages": list(here),
                "missing": sorted(set(speech_engine.LANGUAGES[engine]) - set(here)),
            }
        )
    return found


def _taken() -> dict[str, str | None]:
    """Return what `auto` takes for each language of the app; None where nothing is installed."""
    from tasks.analysis.engines import engines_by_language

    here = engines_by_language(AnalysisEngine.AUTO)
    return {language: here.get(language) for language in sorted(TAUGHT)}
