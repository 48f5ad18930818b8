"""Every error says what happened and what to do, and survives pickling."""

import copy
import importlib
import inspect
import pickle
import pkgutil
import typing
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from schema import errors
from schema.errors.base import KaiwaError
from schema.errors.storage import StorageError

# Two values of every type that errors carry.
FACTS = {
    int: (3, 200_000_000),
    int | None: (1, None),
    float: (75.0, -0.02),
    str: ("it failed.", "Nothing answered."),
    str | None: ("The bucket failed to list objects: SlowDown.", None),
    datetime: (datetime(2025, 10, 13, 12, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)),
    tuple[str, ...]: (("The table messages is missing.",), ("one", "two.")),
    list[str]: (["pid 7 (app, psql, active, for 9 s)"], []),
}
KINDS = [
    kind
    for module in pkgutil.iter_modules(errors.__path__, "schema.errors.")
    for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
    if kind.__module__ == module.name and kind not in {KaiwaError, StorageError}
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture(params=[0, 1])
def error(kind, request):
    types = typing.get_type_hints(kind)
    return kind(*(FACTS[types[fact.name]][request.param] for fact in fields(kind)))


def test_an_error_survives_pickling_and_copying(error):
    for again in pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert repr(again) == repr(error)
        assert vars(again) == vars(error)


def test_an_error_says_what_happened_and_what_to_do(error):
    text = str(error)
    assert text.endswith(".")
    assert len(text.split(". ")) >= 2 or "; " in text


def test_a_logged_error_shows_its_message(error):
    assert error.args == (str(error),)
    assert repr(error) == f"{type(error).__name__}({str(error)!r})"


def test_errors_are_compared_by_identity(error):
    assert {error, copy.copy(error)} > {error}
