"""Measure what commands of `kaiwa-audio` cost: the interpreter, their imports, and little work.

    python benchmarks/startup.py [--rounds N] [--smoke] [--json]

CPU seconds of whole processes, because other work on the machine disturbs them less than wall time;
medians of interleaved rounds. The floors, in the same run, are a bare interpreter and
`import prefect`. The database has no holds and an empty ledger.
"""

import os
import statistics
import subprocess
import sys

from benchmarks import frame, servers
from local import app_database
from migrations import run

_CLI = "from cli.main import app; app()"
_PROCESSES = {
    "python_cpu_seconds": ("pass",),
    "prefect_cpu_seconds": ("import prefect",),
    "help_cpu_seconds": (_CLI, "--help"),
    "hold_list_cpu_seconds": (_CLI, "hold", "list"),
    "ledger_verify_cpu_seconds": (_CLI, "ledger", "verify"),
}


def measure(rounds: int) -> frame.Figures:
    """Return the median CPU seconds of each process, and ratios to `import prefect`."""
    with servers.postgres() as server:
        url = server.url()
        app_database.begin(url)
        run.upgrade(url)
        taken: dict[str, list[float]] = {name: [] for name in _PROCESSES}
        for _ in range(rounds):
            for name, process in _PROCESSES.items():
                taken[name].append(_cpu_seconds(url, *process))
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    floor = medians["prefect_cpu_seconds"]
    return {name: round(seconds, 2) for name, seconds in medians.items()} | {
        "ratio_help_to_prefect": round(medians["help_cpu_seconds"] / floor, 2),
        "ratio_hold_list_to_prefect": round(medians["hold_list_cpu_seconds"] / floor, 2),
    }


def _cpu_seconds(url: str, code: str, *arguments: str) -> float:
    before = os.times()
    subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"DATABASE_URL": url, "PATH": os.defpath},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


if __name__ == "__main__":
    rounds = frame.Size(7, 1, "measurements of each process")
    frame.run(measure, {"rounds": rounds})
