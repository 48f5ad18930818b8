"""Whole analyses equal reviewed ones, within the differences between processors."""

import json
from dataclasses import asdict

import pytest

from speech import engine
from speech.scores.model import ENGINES
from tests.speech.conftest import read_clip
from tests.speech.data.make_golden_analyses import GOLDEN, TEXTS

TOLERANCE = 0.03  # relative, and absolute for what is near 0
FRAME_MS = 10
TIME_COLUMNS = ("1", "2")  # of phones in `raw_alignment`: name, start, end, accuracy
VERSIONS = {"analysis_model_version"}


def leaves(value, path=""):
    """Yield every number and text of nested lists and mappings, by its path."""
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list | tuple):
        pairs = enumerate(value)
    else:
        yield path, value
        return
    for key, item in pairs:
        yield from leaves(item, f"{path}/{key}")


def is_time(path):
    leaf = path.rpartition("/")[2]
    return leaf.endswith("_ms") or (path.startswith("/raw_alignment/") and leaf in TIME_COLUMNS)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("clip", TEXTS)
def test_an_analysis_is_as_it_was(clip, name):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))[name][clip]
    analysis = asdict(engine.analyze(read_clip(clip), TEXTS[clip], "en", engine=name))
    then, now = dict(leaves(golden)), dict(leaves(analysis))
    assert then.keys() == now.keys()
    for path, value in then.items():
        if path.strip("/") in VERSIONS:
            continue
        if isinstance(value, int | float) and not isinstance(value, bool):
            relative, absolute = (0, FRAME_MS) if is_time(path) else (TOLERANCE, TOLERANCE)
            assert now[path] == pytest.approx(value, rel=relative, abs=absolute), path
        else:
            assert now[path] == value, path
