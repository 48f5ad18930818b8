"""Charts are images of the right size for any measurement; their look is checked by eye."""

import io
from dataclasses import replace

import polars as pl
import pytest
from PIL import Image

from policy.costs import BYTES_PER_GB
from reports import cost_charts
from reports.cost_charts import charts
from schema.facts.costs import MonthlyCost
from tests.support.costs import measured, nothing_measured

TINY = MonthlyCost(3.2e-6, 2.7e-4, 1e-7)
REPORTS = {
    "a year": measured(),
    "40 days of a few MB": measured(40, 100_000, cost=TINY, cost_before=None),
    "one day": measured(1, 2_000_000, horizon=0),
    "nothing": nothing_measured(),
    "nothing, day by day": measured(40, 0, horizon=0, crossings=()),
    "petabytes": measured(400, 1e13),
}


@pytest.mark.parametrize("name", REPORTS)
def test_any_measurement_gives_small_pictures(name, recwarn):
    drawn = charts(REPORTS[name])
    assert set(drawn) == {"storage", "added_and_deleted", "monthly_cost"}
    for content in drawn.values():
        picture = Image.open(io.BytesIO(content))
        assert (picture.format, picture.size) == ("PNG", (1200, 630))
        assert len(content) < 60_000
    assert not recwarn.list


@pytest.fixture
def axes_of(monkeypatch):
    """Draw a measurement; return the axes of one chart."""

    def _axes_of(name, report):
        monkeypatch.setattr(cost_charts, "png", lambda figure: figure)
        (axes,) = charts(report)[name].axes
        return axes

    return _axes_of


def top(layer):
    return layer.get_paths()[0].vertices[:, 1].max()


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_the_stock_is_stacked_by_tier_up_to_all_of_it(axes_of):
    report = measured()
    axes = axes_of("storage", report)
    assert labels(axes)[:4] == ["premium", "plus", "free", "guest"]
    highest = report.daily.group_by("day").agg(pl.col("bytes").sum())["bytes"].max()
    assert top(axes.collections[3]) == pytest.approx(highest / BYTES_PER_GB)
    assert axes.get_title(loc="left") == "31.9 GB stored, 39.4 GB expected on 2026-05-30"
    assert axes.get_ylabel() == "GB stored"


def test_tiers_that_store_nothing_are_not_in_the_legend(axes_of):
    report = measured(40)
    is_plus = pl.col("tier") == "plus"
    daily = report.daily.with_columns(bytes=pl.when(~is_plus).then("bytes").otherwise(0))
    assert "plus" not in labels(axes_of("storage", replace(report, daily=daily)))


def test_a_hole_in_the_history_of_a_tier_is_no_audio(axes_of):
    report = measured(3)
    is_hole = (pl.col("tier") == "premium") & (pl.col("day") == report.as_of.date())
    before = report.daily.filter(pl.col("tier") == "premium")["bytes"].sort()[-2]
    axes = axes_of("storage", replace(report, daily=report.daily.remove(is_hole)))
    assert top(axes.collections[0]) == pytest.approx(before / BYTES_PER_GB)


def test_the_forecast_begins_where_the_measurement_ends(axes_of):
    report = measured()
    (expected, _threshold) = axes_of("storage", report).lines
    assert expected.get_ydata()[0] == pytest.approx(report.bytes / BYTES_PER_GB)
    assert len(expected.get_ydata()) == 91


def test_a_threshold_is_drawn_once_it_is_in_sight(axes_of):
    assert "threshold, 50 GB" in labels(axes_of("storage", measured()))
    far = axes_of("storage", measured(40, 100_000))
    assert not [label for label in labels(far) if "threshold" in label]
    assert far.get_ylabel() == "MB stored"


def test_a_tier_of_any_name_has_its_layer(axes_of):
    report = measured(40)
    daily = report.daily.with_columns(tier=report.daily["tier"].replace("plus", "<b>$x$"))
    assert "·b>·x·" in labels(axes_of("storage", replace(report, daily=daily)))


def test_additions_are_drawn_upwards_and_deletions_downwards(axes_of):
    axes = axes_of("added_and_deleted", measured())
    added, deleted = (container.datavalues for container in axes.containers)
    assert len(added) == len(deleted) == 90
    assert min(added) > 0 > max(deleted)
    assert axes.get_title(loc="left") == "11.1 GB added and 10.1 GB deleted in 30 days"


def test_the_parts_of_a_months_cost_add_up_to_its_figure(axes_of):
    report = measured()
    axes = axes_of("monthly_cost", report)
    ends = [sum(part.datavalues[bar] for part in axes.containers) for bar in range(3)]
    assert ends[0] == pytest.approx(report.cost.total_usd)
    assert ends[1] == pytest.approx(report.cost_before.total_usd)
    assert [text.get_text() for text in axes.texts] == ["$1.32", "$1.21", "$3.23"]
    assert labels(axes) == ["storage", "transfer, an estimate", "requests"]


def test_sums_below_a_cent_keep_their_digits(axes_of):
    report = measured(40, 100_000, cost=TINY, cost_before=None, kept_everything_usd=9e-6)
    texts = [text.get_text() for text in axes_of("monthly_cost", report).texts]
    assert texts == ["$0.00027", "$0.00028"]
