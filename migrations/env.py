"""Alembic's environment: the database, and what autogenerate compares."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from alembic import context

from migrations.locking import LOCK_TIMEOUT
from schema.tables import (
    analysis,
    app,
    backfill,
    deletion,
    metrics,
    operations,
    quality,
    reconciliation,
)
from schema.tables.base import OPERATIONS_SCHEMA, Base
from settings.environment import DatabaseSettings
from stores.database import connect

TABLE_MODULES = (
    app,
    analysis,
    operations,
    deletion,
    reconciliation,
    metrics,
    quality,
    backfill,
)  # importing them fills Base.metadata


def _include_name(name: str | None, type_: str, _parents: object) -> bool:
    return type_ != "schema" or name in {None, OPERATIONS_SCHEMA}


def _include_object(
    _item: object, _name: str | None, _type: str, reflected: bool, compare_to: object
) -> bool:
    """Ignore what only the database has: the app's other tables and columns, parked data."""
    return not (reflected and compare_to is None)


def _migrate(connection: sa.Connection) -> None:
    if not sa.inspect(connection).has_schema(OPERATIONS_SCHEMA):  # for Alembic's version table
        connection.execute(sa.schema.CreateSchema(OPERATIONS_SCHEMA, if_not_exists=True))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table_schema=OPERATIONS_SCHEMA,
        include_schemas=True,
        include_name=_include_name,
        include_object=_include_object,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _run() -> None:
    if context.is_offline_mode():
        message = "These migrations inspect the database: run them online, without --sql."
        raise RuntimeError(message)
    attributes: dict[str, Any] = context.config.attributes
    url = attributes.get("url") or DatabaseSettings().database_url.get_secret_value()
    engine = connect(
        url,
        application_name="kaiwa-audio migrations",
        statement_timeout=timedelta(0),
        lock_timeout=LOCK_TIMEOUT,
    )
    try:
        with engine.connect() as connection:
            _migrate(connection)
    finally:
        engine.dispose()


_run()
