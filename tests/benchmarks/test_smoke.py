"""Every benchmark runs, and ends with the figures that docs/benchmarks.md names."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local import swift

PROJECT = Path(__file__).parents[2]
MODULES = sorted((PROJECT / "benchmarks").glob("*.py"))
BENCHMARKS = [path.stem for path in MODULES if "frame.run(" in path.read_text()]
DOCS = (PROJECT / "docs" / "benchmarks.md").read_text()
# `echogarden` is an additional peer where it is installed.
OPTIONAL = {"alignment_peers": {"echogarden"}}
NEED_CORPUS = ("groups", "pronunciation", "robustness")
FOX = "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG"


def documented(benchmark):
    """Names of a benchmark's figures, from the table at the end of the documentation."""
    (row,) = re.findall(rf"^\| `{benchmark}` \| (.+) \|$", DOCS, re.MULTILINE)
    return set(re.findall("`([a-z0-9_]+)`", row))


def missing(benchmark, folder):
    """Return why a benchmark cannot run here; None if it can."""
    if benchmark == "sweep":
        return swift.obstacle(folder)
    if benchmark == "analyze_flow" and not importlib.util.find_spec("espeakng_loader"):
        return "espeakng-loader is not installed (extra `local`), so there are no learners"
    return None


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_it_runs_at_its_smoke_size_and_prints_its_figures(benchmark, tmp_path, label, corpus_of):
    if reason := missing(benchmark, tmp_path):
        pytest.skip(reason)
    command = [sys.executable, f"benchmarks/{benchmark}.py", "--smoke", "--json"]
    if benchmark in NEED_CORPUS:
        texts = (FOX, FOX, FOX, "WE CALL")
        labels = [label(f"u{n}", speaker=str(n), score=n, text=t) for n, t in enumerate(texts)]
        command += ["--corpus", str(corpus_of(labels))]
    variables = {name: value for name, value in os.environ.items() if name != "CORPUS"}
    ended = subprocess.run(
        command,
        cwd=PROJECT,
        env={**variables, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    figures = json.loads(ended.stdout.splitlines()[-1])
    optional = OPTIONAL.get(benchmark, set())
    assert set(figures) - optional == documented(benchmark) - optional


def test_every_other_module_serves_a_benchmark():
    for module in MODULES:
        others = [path.read_text() for path in MODULES if path != module]
        is_used = any(re.search(rf"\b{module.stem}\b", text) for text in others)
        assert module.stem in BENCHMARKS or module.stem == "__init__" or is_used, module.stem


def test_every_benchmark_has_its_section():
    published = re.findall(r"`(?:CORPUS=… )?python benchmarks/(\w+)\.py", DOCS)
    assert set(published) == set(BENCHMARKS)


def test_a_section_names_only_figures_that_its_benchmark_prints():
    sections = re.split(r"^## ", DOCS.partition("## Names of the figures")[0], flags=re.MULTILINE)
    for section in sections[1:]:
        benchmark = re.search(r"python benchmarks/(\w+)\.py", section)[1]
        named = re.findall(r"\*{0,2}`(\w*ratio\w*|\w+_per_second|peak_mb|hot_share)`", section)
        assert set(named) <= documented(benchmark), benchmark
