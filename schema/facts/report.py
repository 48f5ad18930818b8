"""Base class of reports that add up."""

from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Report:
    """Base of the reports of a run's parts; they add up field by field."""

    def __add__(self, other: Self) -> Self:
        names = [field.name for field in fields(self)]
        return type(self)(*(_sum(getattr(self, name), getattr(other, name)) for name in names))


def _sum(one: Any, other: Any) -> Any:  # noqa: ANN401 - two values of one field
    """Add numbers and counters; of two texts keep the first, such as why a part stopped early."""
    return one or other if one is None or isinstance(one, str) else one + other
