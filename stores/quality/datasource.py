"""Great Expectations' datasource on an open connection, so that it sees temporary tables."""

import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.pool import StaticPool

if TYPE_CHECKING:
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.datasource.fluent import PostgresDatasource

# Required, but never connected to: it needs neither host nor password.
_NO_ADDRESS = "postgresql+psycopg://nobody@localhost/checked"


class _SharedConnection:
    """A driver's connection that leaves its transaction to its owner."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - as SQLAlchemy hands it out
        self._connection = connection

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a connection
        return getattr(self._connection, name)

    def commit(self) -> None:
        """Do nothing."""

    def rollback(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def open_datasource(connection: Connection) -> "tuple[AbstractDataContext, PostgresDatasource]":
    """Return a new in-memory context and its data source, which uses only `connection`.

    Raises:
        ConnectionError: If the connection is lost.
    """
    import great_expectations
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    # Its log messages quote SQL, and database errors that quote rows.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = great_expectations.get_context(mode="ephemeral", project_config=config)
    shared = _SharedConnection(connection.connection.driver_connection)
    datasource = context.data_sources.add_postgres(
        "kaiwa",
        connection_string=_NO_ADDRESS,
        kwargs={
            "creator": lambda: shared,
            "poolclass": StaticPool,
            "use_native_hstore": False,  # detecting it requires psycopg's connection type
            "hide_parameters": True,
        },
    )
    return context, datasource
