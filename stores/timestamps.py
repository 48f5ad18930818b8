"""Reading of dates and timestamps that Python lacks: infinite, before year 1, after 9999.

psycopg raises an error for them, so that one such row would make a whole page of rows unreadable.
They are read as the first or last date or datetime; `policy.instants.is_readable` is false for such
a datetime.
"""

from datetime import UTC, date, datetime

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format


class _Clamped(Loader):
    """Loads a date or timestamp in text format; returns the nearest one that Python has."""

    first: date
    last: date

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        exact = psycopg.adapters.get_loader(oid, Format.TEXT)
        if exact is None:
            raise AssertionError  # psycopg knows all three types
        self._exact = exact(oid, context)

    def load(self, data: Buffer) -> date:
        """Return the date, or the timestamp as a datetime."""
        try:
            moment: date = self._exact.load(data)
        except psycopg.DataError:
            text = bytes(data)
            if text.startswith(b"-") or text.endswith(b"BC"):
                return self.first
            if text == b"infinity" or text.find(b"-") > 4:  # a year of five or six digits
                return self.last
            raise
        return moment


class _Date(_Clamped):
    first, last = date.min, date.max


class _Timestamp(_Clamped):
    first, last = datetime.min, datetime.max  # noqa: DTZ901 - without time zone, as in the app


class _Timestamptz(_Clamped):
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def read_every_timestamp(connection: psycopg.Connection) -> None:
    """Let a connection read dates and timestamps of any size."""
    connection.adapters.register_loader("date", _Date)
    connection.adapters.register_loader("timestamp", _Timestamp)
    connection.adapters.register_loader("timestamptz", _Timestamptz)
