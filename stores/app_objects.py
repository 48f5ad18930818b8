"""Our indexes and our trigger on the app's tables: whether they are still there.

The app's tools drop indexes that its schema does not name (`drizzle-kit push`). Without ours a
claim or a page of a sweep reads the whole table.
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
_THERE = text("""
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
# The lock of migrations: whoever has it makes what is lost.
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:lock)")
_UNLOCK = text("SELECT pg_advisory_unlock(:lock)")
MIGRATION_LOCK = 0x6B61697761  # "kaiwa"


def declaration(index: Index) -> str:
    """Return what stands after CREATE INDEX."""
    create = str(CreateIndex(index).compile(dialect=_DIALECT))
    return create.removeprefix("CREATE INDEX ").replace(" ON ", " ON public.", 1)


def create_concurrently(index: Index) -> str:
    """Return the statement that builds an index while the app goes on."""
    return f"CREATE INDEX CONCURRENTLY {declaration(index)}"


def lost(connection: Connection) -> tuple[str, ...]:
    """Return the names of our indexes and trigger that are gone, broken or disabled."""
    there = set(connection.execute(_THERE).scalars())
    return tuple(sorted({*INDEXES, TRIGGER} - there))


def hiding(connection: Connection) -> tuple[str, ...]:
    """Return the app's tables of which row security hides rows from this role."""
    return tuple(connection.execute(_HIDING).scalars())


def may_make(connection: Connection) -> bool:
    """Return whether this role may make them: it owns the table, or is a member of its owner."""
    return bool(connection.execute(_IS_OWNER).scalar_one())


def make(connection: Connection, names: tuple[str, ...]) -> None:
    """Make what is lost while the app goes on, unless a migrator is at it.

    Args:
        connection: In autocommit: an index is built concurrently.
        names: As `lost` tells them.
    """
    lock = {"lock": MIGRATION_LOCK}
    if not connection.execute(_TRY_LOCK, lock).scalar_one():
        return
    try:
        # A build waits for transactions that are open, but nobody waits for it.
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
