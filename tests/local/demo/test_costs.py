"""The demo shows what its recordings cost, and notices a measurement that shows nothing."""

import io
import os

import pytest
from rich.console import Console

from local.demo import costs
from local.demo.costs import CHARTS, show_costs
from local.demo.steps import DemoFailed, Scene
from reports.cost_charts import charts
from reports.cost_exports import exports
from reports.costs import summary
from stores.report_files import write_file
from tasks.resources import storage
from tests.support.costs import groups, measured


@pytest.fixture
def scene(stage, engine, tmp_path):
    console = Console(file=io.StringIO(), width=80)
    return Scene("", engine, storage.bucket(), "the log", console, tmp_path)


@pytest.fixture
def show(scene, add_message, monkeypatch):
    """Show the costs of two recordings of 3 MB; what the deployment does is done here, at once."""
    own = [add_message(audio_size_bytes=3_000_000) for _ in range(2)]

    def _show(written=True, spoil=lambda: None, **fields):
        size = {"objects": 2, "bytes": 6_000_000, "by_tier": groups(free=6_000_000)}
        report = measured(2, 3_000_000, **(size | fields))

        def measure(_scene):
            files = {f"{name}.png": png for name, png in charts(report).items()}
            for name, content in (files | exports(report)).items() if written else ():
                write_file(scene.reports / "costs" / name, content)
            spoil()
            return summary(report)

        monkeypatch.setattr(costs, "_measure", measure)
        show_costs(scene, own)
        return scene.console.file.getvalue()

    return _show


def test_the_costs_and_the_charts_are_shown(show, scene):
    text = show()
    assert "A month costs" in text
    assert "free" in text
    assert "Forecast" not in text
    for name in CHARTS:
        assert str(scene.reports / "costs" / name) in text


def test_charts_that_are_not_there_are_noticed(show):
    with pytest.raises(DemoFailed, match=r"storage\.png and .* were not written"):
        show(written=False)


def test_charts_of_an_earlier_run_are_noticed(show, scene):
    old = scene.reports / "costs" / CHARTS[1]
    with pytest.raises(DemoFailed, match=r"added_and_deleted\.png were not written"):
        show(spoil=lambda: os.utime(old, (0, 0)))


@pytest.mark.parametrize("less", [{"objects": 1}, {"bytes": 5_999_999}])
def test_a_measurement_of_less_than_is_stored_is_noticed(show, less):
    with pytest.raises(DemoFailed, match=r"measured, .* but 2 of 6000000 are stored"):
        show(**less)
