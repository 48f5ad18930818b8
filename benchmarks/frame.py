"""The command line of all benchmarks: read options, measure, print the figures, JSON last."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """An integer option.

    Attributes:
        default: Value for the published figures; None means no limit.
        smoke: Value with `--smoke`: small enough to finish within seconds.
        help: Shown by `--help`.
    """

    default: int | None
    smoke: int
    help: str


@dataclass(frozen=True, slots=True)
class Folder:
    """An option that takes a folder.

    Attributes:
        help: Shown by `--help`.
        required: Whether the option is required.
    """

    help: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """An option that takes one of some texts.

    Attributes:
        default: The one that counts if none is given.
        choices: All of them.
        help: Shown by `--help`.
    """

    default: str
    choices: Collection[str]
    help: str


def as_lines(figures: Figures) -> str:
    """Format figures, one per line."""
    return "\n".join(f"{name:38} {_number(figure):>14}" for name, figure in figures.items())


def _number(figure: object) -> str:
    return f"{figure:,.3f}" if isinstance(figure, float) else f"{figure}"


def run(
    measure: Callable[..., Figures],
    options: Mapping[str, Size | Folder | Choice],
    *,
    show: Callable[[Figures], str] = as_lines,
) -> None:
    """Run a benchmark's command: `python benchmarks/NAME.py [--OPTION ...] [--smoke] [--json]`.

    Args:
        measure: Takes each option by name; returns the figures that `--json` prints.
        options: Options besides `--smoke` and `--json`.
        show: Formats the figures for people.
    """
    parser = argparse.ArgumentParser(
        description=sys.modules["__main__"].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, option in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(option, Folder):
            parser.add_argument(flag, type=Path, required=option.required, help=option.help)
        elif isinstance(option, Choice):
            shown = f"{option.help} (default: {option.default})"
            parser.add_argument(flag, choices=option.choices, default=option.default, help=shown)
        else:
            default = "all" if option.default is None else f"{option.default:,}"
            parser.add_argument(flag, type=int, help=f"{option.help} (default: {default})")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="small sizes, to check that it runs; the figures mean nothing",
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = vars(parser.parse_args())
    chosen = {
        name: _chosen(arguments[name], option, smoke=arguments["smoke"])
        for name, option in options.items()
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # stops its servers
    figures = measure(**chosen)
    print(show(figures))
    if arguments["json"]:
        print(json.dumps(figures))


def _chosen(
    given: int | Path | str | None, option: Size | Folder | Choice, *, smoke: bool
) -> int | Path | str | None:
    if given is not None or not isinstance(option, Size):
        return given
    return option.smoke if smoke else option.default
