"""Prefect's server, with a SQLite database that many clients can write to at once.

    python -m local.prefect_server PORT

Prefect begins most transactions deferred: they read first and ask for the write lock later. If
another connection has written in the meantime, SQLite refuses at once, whatever the busy timeout,
and the API answers 503. Here every transaction asks for the write lock when it begins, and waits
for it (docs/adr/0102).

It answers requests to loopback names only. A page that makes its own name resolve to 127.0.0.1
would otherwise be of the server's origin for the browser (docs/adr/0108).
"""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import MODELS_DEPENDENCIES
from prefect.settings import get_current_settings
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from starlette.middleware.trustedhost import TrustedHostMiddleware

from local.ports import HOST, LOOPBACK_NAMES


class ImmediateSqlite(AioSqliteConfiguration):
    """Begins every transaction with `BEGIN IMMEDIATE`."""

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Begin a transaction as Prefect does where it locks rows."""
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def main(port: int) -> None:
    """Serve API and UI until SIGTERM."""
    url = get_current_settings().server.database.connection_url
    if url is None:
        message = "PREFECT_SERVER_DATABASE_CONNECTION_URL is not set."
        raise SystemExit(message)
    MODELS_DEPENDENCIES["database_config"] = ImmediateSqlite(url.get_secret_value())
    # Around the app, not in it: automations call the app itself, under a name of their own.
    server = TrustedHostMiddleware(create_app(final=True), allowed_hosts=LOOPBACK_NAMES)
    uvicorn.run(server, host=HOST, port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
