"""Reports of a run's parts add up to the report of the whole."""

import typing
from collections import Counter
from dataclasses import fields

import pytest

from schema.facts.analysis import AnalysisReport
from schema.facts.deletion import ErasureReport, SweepReport
from schema.facts.findings import ExportReport
from schema.facts.report import Report
from schema.facts.urls import UrlReport

KINDS = [AnalysisReport, ErasureReport, ExportReport, SweepReport, UrlReport]


def filled(kind, number):
    """A report with different values in each field."""
    types = typing.get_type_hints(kind)
    counts = enumerate((types[field.name] for field in fields(kind)), start=number)
    return kind(
        *(
            f"reason {count}"
            if type_ == str | None
            else Counter({f"key {count}": count, "every": 1})
            if typing.get_origin(type_) is Counter
            else count
            for count, type_ in counts
        )
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_adds_up(kind):
    one, other = filled(kind, 1), filled(kind, 100)
    whole = one + other
    for field in fields(kind):
        before, after = getattr(one, field.name), getattr(other, field.name)
        expected = before if isinstance(before, str) else before + after
        assert getattr(whole, field.name) == expected
    assert one + kind() == kind() + one == one


def test_no_report_is_left_out_here():
    assert {kind.__name__ for kind in Report.__subclasses__()} == {kind.__name__ for kind in KINDS}
