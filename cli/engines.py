"""`kaiwa-audio engines`: which engines are installed, and what analyses each language."""

import json
from typing import Annotated

import typer
from rich.table import Table

from cli.terminal import Terminal
from schema.states import AnalysisEngine


def engines(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> None:
    """List the engines that are installed, and the one that analyses each language.

    Needs no server, database or network.
    """
    # These load models and dictionaries: only when the command runs.
    from policy.languages import TAUGHT
    from tasks.analysis.engines import (
        chosen_engine,
        covered_languages,
        engines_by_language,
        installed_release,
    )

    chosen = chosen_engine(None)
    used = engines_by_language(chosen)
    missing = sorted(TAUGHT - set(engines_by_language(AnalysisEngine.AUTO)))
    installed = {
        one: covered_languages(one, None)
        for one in AnalysisEngine
        if one is not AnalysisEngine.AUTO
    }
    if as_json:
        facts = {
            "engine": chosen,
            "languages": used,
            "missing": missing,
            "installed": {
                one: {
                    "version": installed_release(one).version,
                    "model_version": installed_release(one).model_version,
                    "languages": languages,
                }
                for one, languages in installed.items()
            },
        }
        typer.echo(json.dumps(facts))
        return
    console = Terminal(soft_wrap=False)
    table = Table("Engine", "Version", "Models", "Languages here")
    for one, languages in installed.items():
        release = installed_release(one)
        table.add_row(one, release.version, release.model_version, " ".join(languages) or "none")
    console.print(table)
    console.print(f"KAIWA_ENGINE is {chosen}. New recordings are analysed by:")
    for name in sorted(set(used.values())):
        languages = [language for language, engine in used.items() if engine is name]
        console.print(f"  {name}: {' '.join(languages)}")
    if missing:
        console.print(
            f"Nothing analyses {' '.join(missing)}. Install the extra `languages`: "
            "pip install 'kaiwa-audio[languages]'."
        )
