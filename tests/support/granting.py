"""Logins with the rights of `deployments/grants.sql`."""

from pathlib import Path

import sqlalchemy as sa

GRANTS = (Path(__file__).parents[2] / "deployments" / "grants.sql").read_text()
_CREATE_LOGIN = """
DO $$ BEGIN
    CREATE ROLE batch_login LOGIN PASSWORD 'batch' IN ROLE kaiwa_audio;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$
"""


def batch_login(engine, database_url, *, exporting=True):
    """Run `grants.sql`; return the URL of a login in the flows' role.

    Args:
        engine: Of the owner.
        database_url: The owner's URL.
        exporting: Whether it may export findings, too.
    """
    with engine.begin() as owner:
        if exporting:
            owner.exec_driver_sql("SET LOCAL kaiwa.export_findings = 'on'")
        owner.exec_driver_sql(GRANTS)
        owner.exec_driver_sql(_CREATE_LOGIN)
    url = sa.make_url(database_url).set(username="batch_login", password="batch")
    return url.render_as_string(hide_password=False)
