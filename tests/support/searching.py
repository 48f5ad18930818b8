"""Search everything that is kept for traces of a learner."""

import sqlite3
from contextlib import closing

import sqlalchemy as sa

from stores.bucket import versions

TABLES = sa.text("""
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'audio_ops') AND c.relkind IN ('r', 'p', 'm')
ORDER BY 1
""")


def traces(text, secrets):
    """Return the names of the secrets in a text or bytes, whatever the case."""
    text = text if isinstance(text, bytes) else str(text).encode()
    lower = text.lower()
    return {name for name, secret in secrets.items() if secret.lower().encode() in lower}


def in_database(engine, secrets):
    """Return by table and column what is found, in columns of any type."""
    found = {}
    with engine.connect() as connection:
        for table in connection.execute(TABLES).scalars().all():
            rows = connection.execute(sa.text(f"SELECT to_jsonb(t) FROM {table} AS t"))
            for row in rows.scalars():
                for column, value in row.items():
                    if names := traces(value, secrets):
                        found.setdefault(f"{table}.{column}", set()).update(names)
    return found


def in_bucket(bucket, secrets):
    """Return by key what is found in keys and contents of all objects and versions."""
    found = {}
    for page in versions.list_versions(bucket, ""):
        for version in page:
            content = b""
            if not version.is_delete_marker:
                content = bucket.client.get_object(
                    Bucket=bucket.name, Key=version.key, VersionId=version.version_id
                )["Body"].read()
            if names := traces(version.key, secrets) | traces(content, secrets):
                found[version.key] = names
    return found


def in_files(folder, secrets):
    """Return by path what is found in names and contents of files."""
    found = {}
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if names := traces(path.name, secrets) | traces(content, secrets):
            found[str(path.relative_to(folder))] = names
    return found


def in_sqlite(path, secrets):
    """Return by table and column what is found in a SQLite database."""
    found = {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for column in row.keys():  # noqa: SIM118 - a Row iterates over its values
                    value = row[column]
                    if names := traces(value if isinstance(value, bytes) else str(value), secrets):
                        found.setdefault(f"{table}.{column}", set()).update(names)
    return found
