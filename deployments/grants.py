"""The roles of grants.sql."""

from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from schema.errors.base import KaiwaError
from stores.database import connect

GRANTS = Path(__file__).with_name("grants.sql")
_NOT_GRANTED = "01007"  # a warning: Postgres ignores grants of someone else's tables


class NotGranted(KaiwaError):
    """The login may not grant all of these rights."""

    role: str

    def __str__(self) -> str:
        return (
            f"The role {self.role} may not grant these rights, so nothing was changed. Connect as "
            "the owner of the tables, who ran `kaiwa-audio database upgrade`."
        )


def grant(url: str, *, export_findings: bool = False) -> None:
    """Apply grants.sql in one transaction, as the role that migrates; safe to repeat.

    Args:
        url: The owner's `DATABASE_URL`.
        export_findings: Also grant the optional rights of export-findings.

    Raises:
        NotGranted: If the login lacks the right to grant one of them.
    """
    engine = connect(url, application_name="kaiwa-audio grants")
    try:
        with engine.begin() as connection:
            ignored = _listen(connection)
            role = connection.exec_driver_sql("SELECT current_user").scalar_one()
            if export_findings:
                connection.exec_driver_sql("SET LOCAL kaiwa.export_findings = on")
            try:
                connection.exec_driver_sql(GRANTS.read_text())
            except sa.exc.ProgrammingError as error:
                if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
                    raise NotGranted(role) from error
                raise
            if ignored:
                raise NotGranted(role)
    finally:
        engine.dispose()


def _listen(connection: sa.Connection) -> list[str]:
    """Return a list that will hold the warnings of ignored grants."""
    ignored: list[str] = []

    def note(notice: psycopg.errors.Diagnostic) -> None:
        if notice.sqlstate == _NOT_GRANTED:
            ignored.append(notice.message_primary or "")

    driver: Any = connection.connection.driver_connection
    driver.add_notice_handler(note)
    return ignored
