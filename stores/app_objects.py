"""Our indexes and trigger on the app's tables: find and recreate missing ones.

The app's tools drop indexes that its schema does not name (`drizzle-kit push`). Without them
every claim and every page of a sweep reads the whole table.
"""

from sqlalchemy import Connection, Index, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from schema.tables.app import Message

TRIGGER = "audio_ops_queue_orphans"
CREATE_TRIGGER = f"""
CREATE TRIGGER {TRIGGER}
AFTER DELETE ON public.messages REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT
EXECUTE FUNCTION audio_ops.queue_orphans()
"""
INDEXES: dict[str, Index] = {
    str(index.name): index
    for index in Message.metadata.tables["messages"].indexes
    if str(index.name).startswith("audio_ops_")
}
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_PRESENT = text("""
SELECT CAST(c.relname AS text) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = CAST('public.messages' AS regclass) AND i.indisvalid
UNION ALL
SELECT CAST(tgname AS text) FROM pg_trigger
WHERE tgrelid = CAST('public.messages' AS regclass) AND tgenabled <> 'D'
""")
_IS_OWNER = text("""
SELECT pg_has_role(relowner, 'USAGE') FROM pg_class
WHERE oid = CAST('public.messages' AS regclass)
""")
_HIDING = text("""
SELECT CAST(relname AS text) FROM pg_class
WHERE relnamespace = CAST('public' AS regnamespace) AND relkind = 'r' AND row_security_active(oid)
    AND relname IN ('users', 'subscriptions', 'conversations', 'messages', 'message_audio_analysis')
ORDER BY relname
""")
# Shared with migrations, which recreate the same objects.
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:lock)")
_UNLOCK = text("SELECT pg_advisory_unlock(:lock)")
MIGRATION_LOCK = 0x6B61697761  # "kaiwa"


def declaration(index: Index) -> str:
    """Return an index's DDL without the leading `CREATE INDEX`."""
    create = str(CreateIndex(index).compile(dialect=_DIALECT))
    return create.removeprefix("CREATE INDEX ").replace(" ON ", " ON public.", 1)


def create_concurrently(index: Index) -> str:
    """Return the statement that builds an index without blocking writes."""
    return f"CREATE INDEX CONCURRENTLY {declaration(index)}"


def lost(connection: Connection) -> tuple[str, ...]:
    """Return the names of our indexes and trigger that are missing, invalid or disabled."""
    present = set(connection.execute(_PRESENT).scalars())
    return tuple(sorted({*INDEXES, TRIGGER} - present))


def hiding(connection: Connection) -> tuple[str, ...]:
    """Return the app's tables in which row security hides rows from this role."""
    return tuple(connection.execute(_HIDING).scalars())


def may_make(connection: Connection) -> bool:
    """Return whether this role may create them: as owner of the table or a member of its owner."""
    return bool(connection.execute(_IS_OWNER).scalar_one())


def make(connection: Connection, names: tuple[str, ...]) -> None:
    """Recreate missing indexes and the trigger while the app runs, unless a migration is running.

    Args:
        connection: In autocommit mode, which CREATE INDEX CONCURRENTLY requires.
        names: As returned by `lost`.
    """
    lock = {"lock": MIGRATION_LOCK}
    if not connection.execute(_TRY_LOCK, lock).scalar_one():
        return
    try:
        # A concurrent build waits for open transactions, but blocks none.
        connection.execute(text("SET statement_timeout = 0; SET lock_timeout = 0"))
        for name in names:
            if name in INDEXES:
                connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS public.{name}"))
                connection.execute(text(create_concurrently(INDEXES[name])))
        if TRIGGER in names:
            connection.execute(text("SET lock_timeout = '2s'"))
            connection.execute(text(f"DROP TRIGGER IF EXISTS {TRIGGER} ON public.messages"))
            connection.execute(text(CREATE_TRIGGER))
    finally:
        connection.execute(text("RESET statement_timeout; RESET lock_timeout"))
        connection.execute(_UNLOCK, lock)
