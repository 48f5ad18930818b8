"""Steps for keys, indexes and the trigger; pure."""

from collections.abc import Iterator

from migrations.adoption.documented import ANALYSIS, CONSTRAINTS, INDEXES
from migrations.adoption.live import Live
from migrations.adoption.step import A_MOMENT, Step
from stores.app_objects import CREATE_TRIGGER, TRIGGER


def keys(live: Live) -> Iterator[Step]:
    """Yield steps that add missing keys to an existing `message_audio_analysis`."""
    if ANALYSIS not in live.tables:
        return
    current = live.tables[ANALYSIS].constraints
    kept = {constraint.definition: name for name, constraint in current.items()}
    for name, wanted in CONSTRAINTS.items():
        found = current.get(name)
        if found and found.definition == wanted.definition and found.is_valid:
            continue
        if found is None and wanted.definition in kept:
            continue  # exists under another name
        is_foreign = wanted.declaration.startswith("FOREIGN")
        add = f"ALTER TABLE public.{ANALYSIS} ADD CONSTRAINT {name} {wanted.declaration}"
        drop = f"ALTER TABLE public.{ANALYSIS} DROP CONSTRAINT IF EXISTS {name}"
        yield Step(
            f"Add to {ANALYSIS}: {wanted.declaration}",
            f"{ANALYSIS}{' and messages' if is_foreign else ''} against writes"
            f" {A_MOMENT if is_foreign else 'while its index is built'}",
            (drop, f"{add} NOT VALID" if is_foreign else add),
            table=ANALYSIS,
            notes=(f"constrained {ANALYSIS}.{name}",) if found is None else (),
        )
        if is_foreign:
            yield Step(
                f"Validate the foreign key {name}",
                "nothing",
                (f"ALTER TABLE public.{ANALYSIS} VALIDATE CONSTRAINT {name}",),
                table=ANALYSIS,
            )


def indexes(live: Live) -> Iterator[Step]:
    """Yield steps that build indexes that are missing, invalid or not as documented."""
    for name, wanted in INDEXES.items():
        found = live.indexes.get(name)
        if found and found.is_valid and found.definition == wanted.definition:
            continue
        if found is not None:
            yield Step(
                f"Drop the index {name}, which"
                f" {'differs from the documented one' if found.is_valid else 'is INVALID'}",
                "nothing",
                (f"DROP INDEX CONCURRENTLY IF EXISTS public.{name}",),
                table=wanted.table,
                concurrently=True,
            )
        yield Step(
            f"Build the index {name}",
            "nothing; waits for open transactions",
            (wanted.create,),
            table=wanted.table,
            concurrently=True,
            notes=(f"indexed {name}",) if found is None else (),
        )


def trigger(live: Live) -> Iterator[Step]:
    """Yield the step that creates our trigger on `messages`, once its function exists."""
    if live.has_orphan_queue and not live.triggers.get(TRIGGER, False):
        yield Step(
            f"Create the trigger {TRIGGER} on messages, which queues the audio of deleted messages",
            f"messages against writes {A_MOMENT}",
            (f"DROP TRIGGER IF EXISTS {TRIGGER} ON public.messages", CREATE_TRIGGER),
        )
