"""Shared by all tables: metadata, constraint names, UTC timestamps, validated documents."""

from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import DateTime, Dialect, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

OPERATIONS_SCHEMA = "audio_ops"  # ours; everything in it can be dropped without hurting the app

# The names that the app's own migrations (Drizzle) use.
_NAMES = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_unique",
    "fk": (
        "%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s_%(referred_column_0_N_name)s_fk"
    ),
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


class Base(DeclarativeBase):
    """Base of every table.

    Stores mostly use plain SQL; `alembic check` compares the database with these classes.
    """

    metadata = MetaData(naming_convention=_NAMES)


class UtcDateTime(TypeDecorator[datetime]):
    """The app's `timestamp` without time zone, which holds UTC; aware UTC in Python."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert an aware datetime to naive UTC.

        Raises:
            ValueError: If the datetime is naive.
        """
        if value is None:
            return None
        if value.utcoffset() is None:
            message = f"{value!r} has no time zone. Pass an aware datetime, such as utc_now()."
            raise ValueError(message)
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the column's value as aware UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class Document(TypeDecorator[Any]):
    """A JSONB column of one documented shape, validated when written and read.

    Args:
        shape: Type of the values, such as `tuple[SpeechTiming, ...]`.
    """

    impl = JSONB
    cache_ok = True

    def __init__(self, shape: type[Any]) -> None:
        super().__init__(none_as_null=True)
        self.shape = shape
        self._adapter: TypeAdapter[Any] = TypeAdapter(shape)

    def process_bind_param(self, value: object, dialect: Dialect) -> object:
        """Convert documents to JSON: keys in camelCase, absent rather than null.

        Raises:
            pydantic.ValidationError: If the value does not have the column's shape.
        """
        if value is None:
            return None
        checked = self._adapter.validate_python(value)
        return self._adapter.dump_python(checked, mode="json", by_alias=True, exclude_none=True)

    def process_result_value(self, value: object, dialect: Dialect) -> Any:  # noqa: ANN401 - the shape
        """Convert JSON to documents.

        Raises:
            pydantic.ValidationError: If the stored value has another shape.
        """
        return None if value is None else self._adapter.validate_python(value)
