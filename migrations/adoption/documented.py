"""The documented schema: the tables of `schema.tables` in the catalogue's notation."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn

from schema.tables.analysis import MessageAudioAnalysis
from schema.tables.app import Conversation, Message, Subscription, User
from stores.app_objects import declaration

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

APP_TABLES = ("users", "subscriptions", "conversations", "languages", "messages")
ANALYSIS = "message_audio_analysis"
# The tier may be an enum or text; it is read as text.
OF_EITHER_TYPE = frozenset({("subscriptions", "current_tier")})
# The documented audio columns of `messages`; its other columns are the app's and only read.
AUDIO_COLUMNS = (
    "audio_url",
    "audio_url_expires_at",
    "audio_storage_key",
    "audio_duration_ms",
    "audio_size_bytes",
    "audio_format",
    "audio_sample_rate",
    "audio_channels",
    "audio_processing_state",
    "audio_processing_error",
    "audio_retention_expires_at",
    "audio_deleted_at",
    "pronunciation_score",
    "fluency_score",
    "speech_rate_wpm",
)
# Temporary columns, indexes and trigger of `migrations.adoption.shadow`.
SHADOW_PREFIX = "audio_ops_"
SHADOW_TRIGGER = "audio_ops_shadow_texts"


@dataclass(frozen=True, slots=True)
class DocumentedColumn:
    """One column."""

    type: str
    default: str | None  # without casts
    is_nullable: bool
    declaration: str  # for ADD COLUMN


@dataclass(frozen=True, slots=True)
class DocumentedIndex:
    """One index."""

    table: str
    definition: str  # normalised
    declaration: str  # after CREATE INDEX

    @property
    def create(self) -> str:
        """The statement that builds it without blocking writes."""
        return f"CREATE INDEX CONCURRENTLY {self.declaration}"


@dataclass(frozen=True, slots=True)
class DocumentedConstraint:
    """One key of `message_audio_analysis`."""

    definition: str  # normalised
    declaration: str  # for ADD CONSTRAINT


def normal_default(expression: str | None) -> str | None:
    """Return a default without the catalogue's casts."""
    return None if expression is None else re.sub(r"::[a-z_ .]+", "", expression)


def normal_definition(definition: str) -> str:
    """Return the definition of an index or key in a canonical form."""
    bare = re.sub(r"USING btree|CONCURRENTLY|\bpublic\.|::text|[\"()\s]", "", definition)
    return bare.lower()


def _columns(table: sa.Table) -> dict[str, DocumentedColumn]:
    return {
        column.name: DocumentedColumn(
            type=column.type.compile(_DIALECT).lower(),
            default=normal_default(_default(column)),
            is_nullable=bool(column.nullable),
            declaration=str(CreateColumn(column).compile(dialect=_DIALECT)),
        )
        for column in table.columns
    }


def _default(column: "sa.Column[object]") -> str | None:
    default = column.server_default
    return str(default.arg) if isinstance(default, sa.DefaultClause) else None


def _indexes(table: sa.Table) -> dict[str, DocumentedIndex]:
    return {
        str(index.name): DocumentedIndex(
            table=table.name,
            definition=normal_definition(f"CREATE INDEX {declaration(index)}"),
            declaration=declaration(index),
        )
        for index in sorted(table.indexes, key=lambda index: str(index.name))
    }


_APP: tuple[sa.Table, ...] = tuple(
    model.metadata.tables[model.__tablename__]
    for model in (User, Subscription, Conversation, Message, MessageAudioAnalysis)
)
COLUMNS: Mapping[str, Mapping[str, DocumentedColumn]] = {
    table.name: _columns(table) for table in _APP
}
INDEXES: Mapping[str, DocumentedIndex] = {
    name: index for table in _APP for name, index in _indexes(table).items()
}
CONSTRAINTS: Mapping[str, DocumentedConstraint] = {
    name: DocumentedConstraint(normal_definition(declaration), declaration)
    for name, declaration in (
        (f"{ANALYSIS}_pkey", "PRIMARY KEY (id)"),
        (f"{ANALYSIS}_message_id_unique", "UNIQUE (message_id)"),
        (
            f"{ANALYSIS}_message_id_messages_id_fk",
            "FOREIGN KEY (message_id) REFERENCES public.messages (id) ON DELETE CASCADE",
        ),
    )
}
