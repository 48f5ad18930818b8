"""The roles of grants.sql."""

from pathlib import Path

from stores.database import connect

GRANTS = Path(__file__).with_name("grants.sql")


def grant(url: str, *, export_findings: bool = False) -> None:
    """Apply grants.sql in one transaction, as the role that migrates; safe to repeat.

    Args:
        url: The owner's `DATABASE_URL`.
        export_findings: Also grant the optional rights of export-findings.
    """
    engine = connect(url, application_name="kaiwa-audio grants")
    with engine.begin() as connection:
        if export_findings:
            connection.exec_driver_sql("SET LOCAL kaiwa.export_findings = on")
        connection.exec_driver_sql(GRANTS.read_text())
    engine.dispose()
