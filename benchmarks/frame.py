"""What every benchmark's command does: read options, measure, print the figures, JSON last."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """A whole number that the command line may set.

    Attributes:
        default: As in the published figures; None takes everything.
        smoke: With `--smoke`: small enough to end within seconds.
        help: Shown by `--help`.
    """

    default: int | None
    smoke: int
    help: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that the command line may name.

    Attributes:
        help: Shown by `--help`.
        required: Whether it must be named.
    """

    help: str
    required: bool = False


def as_lines(figures: Figures) -> str:
    """Lay figures out one a line."""
    return "\n".join(f"{name:38} {_number(figure):>14}" for name, figure in figures.items())


def _number(figure: object) -> str:
    return f"{figure:,.3f}" if isinstance(figure, float) else f"{figure}"


def run(
    measure: Callable[..., Figures],
    options: Mapping[str, Size | Folder],
    *,
    show: Callable[[Figures], str] = as_lines,
) -> None:
    """Run a benchmark's command: `python benchmarks/NAME.py [--OPTION ...] [--smoke] [--json]`.

    Args:
        measure: Takes each option by its name; returns the figures that `--json` prints.
        options: What the command line offers besides `--smoke` and `--json`.
        show: Lays the figures out for people.
    """
    parser = argparse.ArgumentParser(
        description=sys.modules["__main__"].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, option in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(option, Folder):
            parser.add_argument(flag, type=Path, required=option.required, help=option.help)
        else:
            default = "all" if option.default is None else f"{option.default:,}"
            parser.add_argument(flag, type=int, help=f"{option.help} (default: {default})")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="small sizes, to see that it runs; figures mean nothing",
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = vars(parser.parse_args())
    chosen = {
        name: _chosen(arguments[name], option, smoke=arguments["smoke"])
        for name, option in options.items()
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that its servers are stopped
    figures = measure(**chosen)
    print(show(figures))
    if arguments["json"]:
        print(json.dumps(figures))


def _chosen(given: int | Path | None, option: Size | Folder, *, smoke: bool) -> int | Path | None:
    if given is not None or isinstance(option, Folder):
        return given
    return option.smoke if smoke else option.default
