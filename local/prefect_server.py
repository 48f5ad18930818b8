"""Prefect's command line, with a SQLite database that many clients can write to at once.

Prefect begins most transactions deferred: they read first and ask for the write lock later. If
another connection has written in the meantime, SQLite refuses at once, whatever the busy timeout,
and the API answers 503. Here every transaction asks for the write lock when it begins, and waits
for it (docs/adr/0102).
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prefect.cli import app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import MODELS_DEPENDENCIES
from prefect.settings import get_current_settings
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction


class ImmediateSqlite(AioSqliteConfiguration):
    """Begins every transaction with `BEGIN IMMEDIATE`."""

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Begin a transaction as Prefect does where it locks rows."""
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def main() -> None:
    """Run Prefect's command with this process's arguments."""
    url = get_current_settings().server.database.connection_url
    if url is None:
        message = "PREFECT_SERVER_DATABASE_CONNECTION_URL is not set."
        raise SystemExit(message)
    MODELS_DEPENDENCIES["database_config"] = ImmediateSqlite(url.get_secret_value())
    app()


if __name__ == "__main__":
    main()
