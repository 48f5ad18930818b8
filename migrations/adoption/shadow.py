"""Convert text columns without a long lock: in shadow columns, batch by batch.

The text column `messages.pronunciation_score` gets an integer column
`audio_ops_pronunciation_score` beside it. A trigger copies what the app writes, batches convert the
existing rows, and finally the old column is dropped and the shadow takes its name. An interrupted
upgrade resumes from the columns and the trigger that it finds.

A shadow is NULL until its text is read *and*, if it differs from the number, kept in
`audio_ops.parked_text`. The trigger keeps no texts, because a row that is not inserted yet cannot
be referenced; it leaves such rows to the batches or the swap.
"""

from collections.abc import Iterator, Mapping, Sequence

from migrations.adoption.conversions import is_text, reading
from migrations.adoption.documented import INDEXES, SHADOW_PREFIX, SHADOW_TRIGGER
from migrations.adoption.live import Column, Live
from migrations.adoption.parked import keep_texts
from migrations.adoption.step import A_MOMENT, Step, exclusive
from migrations.adoption.texts import is_kept

BATCH_ROWS = 1000
_COLUMNS = ("audio_duration_ms", "pronunciation_score")
_UNREAD_INDEX = f"{SHADOW_PREFIX}messages_unread_idx"
_SCORES = "messages_pronunciation_idx"
_SCORES_BESIDE = SHADOW_PREFIX + _SCORES

# It must never make a statement of the app fail: what it cannot do is left to the batches.
_FUNCTION = """
CREATE OR REPLACE FUNCTION audio_ops.shadow_texts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '200ms'
AS $$
BEGIN{columns}
    RETURN NEW;
EXCEPTION WHEN OTHERS THEN
    RETURN NEW;
END
$$
"""
_FOLLOW = """
    IF TG_OP = 'INSERT' OR NEW.{name} IS DISTINCT FROM OLD.{name} THEN
        NEW.{shadow} := NULL;
        IF TG_OP = 'UPDATE' THEN
            DELETE FROM audio_ops.parked_text
            WHERE message_id = NEW.id AND column_name = '{name}';
        END IF;
        IF NOT {is_kept} THEN
            NEW.{shadow} := NEW.{name};
        END IF;
    END IF;"""
_READ = """
WITH unread AS MATERIALIZED (
    SELECT m.id, {texts} FROM public.messages AS m WHERE ({some}) AND ({unread}){page}
), kept AS ({keep}), filled AS (
    UPDATE public.messages AS m SET {numbers} FROM unread WHERE m.id = unread.id
)
SELECT max(id) FROM unread
"""
# Skipping locked rows avoids deadlocks; they are left to the swap.
_PAGE = f"""
    AND m.id > :after ORDER BY m.id LIMIT {BATCH_ROWS} FOR NO KEY UPDATE SKIP LOCKED"""
# New columns have no statistics, and a wrong plan would read the whole table under the lock.
_BY_INDEX = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)
"""
_UNREAD = """
m.{name} IS NOT NULL AND m.{shadow} IS NULL AND NOT EXISTS (
    SELECT FROM audio_ops.parked_text AS p
    WHERE p.message_id = m.id AND p.column_name = '{name}' AND p.value = CAST(m.{name} AS text)
        AND p.read_as IS NULL
)"""
# Privileges on a column are dropped with it.
_GRANT = """
DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT r.privilege_type, r.is_grantable,
            CASE r.grantee WHEN 0 THEN 'PUBLIC'
                ELSE CAST(CAST(r.grantee AS regrole) AS text) END AS grantee
        FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS r
        WHERE a.attrelid = to_regclass('public.messages') AND a.attname = '{name}'
    LOOP
        EXECUTE format(
            'GRANT %s ({shadow}) ON public.messages TO %s', granted.privilege_type, granted.grantee
        ) || CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
    END LOOP;
END
$$
"""


def shadowable(live: Live, columns: Mapping[str, Column]) -> list[str]:
    """Return the text columns that another column can replace, as nothing depends on them."""
    return [
        name
        for name in _COLUMNS
        if (current := columns.get(name)) is not None
        and is_text(current.type)
        and current.default is None
        and current.is_nullable
        and live.bound_columns.isdisjoint({name, name.removesuffix("_ms")})  # its name before 0023
    ]


def is_begun(live: Live) -> bool:
    """Return whether shadow columns exist."""
    return bool(_shadows(live))


def steps(live: Live, columns: Mapping[str, Column], names: Sequence[str]) -> Iterator[Step]:
    """Yield the steps that replace text columns, resuming an interrupted upgrade.

    Args:
        live: The database.
        columns: Columns of `messages` at the time of these steps.
        names: Columns to replace; if empty, leftover shadow columns are dropped.
    """
    if not names:
        yield Step(
            "Drop the shadow columns of messages, which are no longer needed",
            exclusive("messages"),
            drop_shadows(),
            forgets=tuple(map(_note, _COLUMNS)),
        )
        return
    is_followed = live.triggers.get(SHADOW_TRIGGER, False)
    if not is_followed or _shadows(live) != set(map(_shadow, names)):
        yield Step(
            f"Add to messages: {', '.join(map(_shadow, names))}, and a trigger that fills them",
            exclusive("messages"),
            (*forget_texts(names), *drop_shadows(), *_begin(names)),
            notes=tuple(map(_note, names)),
            forgets=tuple(_note(name) for name in _COLUMNS if name not in names),
        )
    yield from _index(live, f"{_UNREAD_INDEX} ON public.messages (id) WHERE {_some(names)}")
    scores = live.indexes.get(_SCORES)
    has_scores = scores and scores.is_valid and scores.definition == INDEXES[_SCORES].definition
    beside = has_scores and "pronunciation_score" in names
    if beside:
        columns_of_scores = INDEXES[_SCORES].declaration.partition(" (")[2]
        yield from _index(
            live, f"{_SCORES_BESIDE} ON public.messages ({SHADOW_PREFIX}{columns_of_scores}"
        )
    yield Step(
        f"Read the texts of {', '.join(names)}, {BATCH_ROWS:,} rows at a time",
        f"those rows of messages against other writers {A_MOMENT}",
        (_BY_INDEX, _read(names, _PAGE)),
        in_batches=True,
    )
    yield Step(
        f"Put the numbers in the place of the texts: {', '.join(names)}",
        exclusive("messages"),
        (*_swap(names), *((_RENAME_SCORES,) if beside else ())),
        notes=tuple(f"cast messages.{name} from {columns[name].type}" for name in names),
        forgets=tuple(map(_note, names)),
    )


def drop_shadows() -> tuple[str, ...]:
    """Return statements that drop all shadow columns, with their indexes."""
    dropped = ", ".join(f"DROP COLUMN IF EXISTS {_shadow(name)}" for name in _COLUMNS)
    return (*_UNFOLLOW, f"ALTER TABLE public.messages {dropped}")


def forget_texts(names: Sequence[str]) -> tuple[str, ...]:
    """Return statements that delete kept copies of texts that are still in their columns."""
    listed = ", ".join(f"'{name}'" for name in names)
    return (f"DELETE FROM audio_ops.parked_text WHERE column_name IN ({listed})",)  # noqa: S608 - ours


_UNFOLLOW = (
    f"DROP TRIGGER IF EXISTS {SHADOW_TRIGGER} ON public.messages",
    "DROP FUNCTION IF EXISTS audio_ops.shadow_texts()",
)
_RENAME_SCORES = f"ALTER INDEX public.{_SCORES_BESIDE} RENAME TO {_SCORES}"


def _shadow(name: str) -> str:
    return SHADOW_PREFIX + name


def _note(name: str) -> str:
    return f"shadowed messages.{name}"


def _shadows(live: Live) -> set[str]:
    return set(map(_shadow, _COLUMNS)) & live.tables["messages"].columns.keys()


def _begin(names: Sequence[str]) -> Iterator[str]:
    added = ", ".join(f"ADD COLUMN {_shadow(name)} integer" for name in names)
    yield f"ALTER TABLE public.messages {added}"
    follow = []
    for name in names:
        text = f"CAST(NEW.{name} AS text)"
        kept = is_kept(text, reading(name, text))
        follow.append(_FOLLOW.format(name=name, shadow=_shadow(name), is_kept=kept))
    yield _FUNCTION.format(columns="".join(follow))
    yield "REVOKE ALL ON FUNCTION audio_ops.shadow_texts() FROM PUBLIC"
    yield f"""
        CREATE TRIGGER {SHADOW_TRIGGER} BEFORE INSERT OR UPDATE ON public.messages
        FOR EACH ROW EXECUTE FUNCTION audio_ops.shadow_texts()
    """
    yield f"ALTER TABLE public.messages ENABLE ALWAYS TRIGGER {SHADOW_TRIGGER}"


def _index(live: Live, declaration: str) -> Iterator[Step]:
    name = declaration.partition(" ")[0]
    found = live.indexes.get(name)
    if found is None or not found.is_valid:
        yield Step(
            f"Build the index {name}",
            "nothing; waits for open transactions",
            (
                f"DROP INDEX CONCURRENTLY IF EXISTS public.{name}",
                f"CREATE INDEX CONCURRENTLY {declaration}",
            ),
            concurrently=True,
        )


def _some(names: Sequence[str]) -> str:
    """Return the condition of the index of unread rows, which avoids reading all rows."""
    return " OR ".join(f"({name} IS NOT NULL AND {_shadow(name)} IS NULL)" for name in names)


def _read(names: Sequence[str], page: str = "") -> str:
    return _READ.format(
        texts=", ".join(f"m.{name}" for name in names),
        some=_some(names),
        unread=" OR ".join(_UNREAD.format(name=name, shadow=_shadow(name)) for name in names),
        page=page,
        keep=keep_texts("messages", names, "unread"),
        numbers=", ".join(
            f"{_shadow(name)} = {reading(name, f'CAST(unread.{name} AS text)')}" for name in names
        ),
    )


def _swap(names: Sequence[str]) -> Iterator[str]:
    yield "LOCK TABLE public.messages IN ACCESS EXCLUSIVE MODE"
    yield _BY_INDEX
    yield _read(names)
    yield from _UNFOLLOW
    for name in names:
        yield _GRANT.format(name=name, shadow=_shadow(name))
        yield f"ALTER TABLE public.messages DROP COLUMN {name}"
        yield f"ALTER TABLE public.messages RENAME COLUMN {_shadow(name)} TO {name}"
