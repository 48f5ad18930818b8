"""A real Postgres for every test that asks for one, and rows to put into it."""

import gc
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from local.postgres import PostgresServer
from migrations import run
from schema.tables.app import Conversation, Message, User
from schema.tables.base import UtcDateTime
from stores import database
from tests.support.app_database import ALL_MIGRATIONS, make

pytest_plugins = [
    "tests.support.recordings",
    "tests.support.s3_servers",
    "tests.support.faulty_bucket",
    "tests.support.hostile_bucket",
    "tests.support.sweeping",
    "tests.support.erasing",
    "tests.support.quality",
    "tests.support.rated_corpus",
    "tests.support.backfilling",
    "tests.support.voices",
    "tests.support.pgbouncer",
]

# GNU readline sets these in pytest-xdist's processes; they would fix the width of every table.
for variable in ("COLUMNS", "LINES"):
    os.environ.pop(variable, None)

# How long an example takes says more about the other test processes than about the code.
settings.register_profile("parallel", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("parallel")

FIRST_MESSAGE_AT = datetime(2025, 10, 13, 12, tzinfo=UTC)
ADD_LANGUAGE = sa.text("""
INSERT INTO languages (id, code, name, native_name, writing_system, flag)
VALUES (:language, :language, :language, :language, 'latin', '') ON CONFLICT DO NOTHING
""")
ADD_SUBSCRIPTION = sa.text("""
INSERT INTO subscriptions
    (user_id, stripe_subscription_id, stripe_price_id, current_tier, updated_at)
VALUES (:user_id, :stripe_id, 'price', CAST(:current_tier AS subscription_tier), :updated_at)
""").bindparams(sa.bindparam("updated_at", type_=UtcDateTime))
# Nothing has to survive; the odd time zone proves that ours is set for each connection.
OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_wal_size": "256MB",
    "timezone": "Asia/Kathmandu",
}
# A database is 1,500 small files: in memory a copy takes a fifth of the time.
MEMORY_FOLDER = Path("/dev/shm")
SERVER_BYTES = 2 * 2**30


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers():
    """One process more than cores: many tests wait for servers."""
    return (yield) + 1


def pytest_collection_finish():
    """Spare the garbage collector a million objects of modules and tests, which all stay.

    Searching them took a sixth of the tests' processor time.
    """
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture(scope="session")
def postgres():
    """One server for the whole session; processes that run tests at once have one each."""
    folder = Path(tempfile.mkdtemp(prefix="kaiwa-tests-", dir=_data_folder()))
    folder.chmod(0o711)  # run as root, the server is another user
    server = PostgresServer(folder, OPTIONS)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def administrator(postgres):
    """The superuser's connection, in autocommit."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def template_app(postgres):
    """Name of a database that tests clone: the app's, after all of its migrations, adopted."""
    _administer(postgres, "CREATE DATABASE template_app")
    url = postgres.url("template_app")
    make(url, *ALL_MIGRATIONS)
    run.upgrade(url)
    return "template_app"


@pytest.fixture
def empty_database_url(postgres):
    """URL of a new, empty database."""
    yield from _new_database(postgres, "template0")


@pytest.fixture
def database_url(postgres, template_app):
    """URL of a new, migrated database."""
    yield from _new_database(postgres, template_app)


def _data_folder():
    """Return the folder of shared memory if there is enough of it, otherwise None."""
    has_room = MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free > SERVER_BYTES
    return MEMORY_FOLDER if has_room else None


def _administer(postgres, statement):
    # On a connection of its own: a test may have restarted the server.
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(statement)


def _new_database(postgres, template):
    name = f"test_{uuid4().hex}"
    _administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY WAL_LOG")
    yield postgres.url(name)
    _administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(database_url):
    """An engine on a new, migrated database."""
    engine = database.connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def add_user(engine):
    """Add a learner; return the id."""

    def _add_user(display_name="Hana", **columns):
        columns = {"id": uuid4(), "display_name": display_name, **columns}
        columns.setdefault("email", f"{columns['id']}@example.org")
        return _insert(engine, User, columns)

    return _add_user


@pytest.fixture
def add_subscription(engine):
    """Add a learner's subscription, newer than those before.

    A tier that the app does not have yet is added to its enum.
    """
    numbers = count()

    def _add_subscription(user_id, current_tier="plus"):
        with engine.begin() as connection:
            for tier in {current_tier} - {None, "free", "plus", "premium"}:
                connection.exec_driver_sql(
                    f"ALTER TYPE subscription_tier ADD VALUE IF NOT EXISTS '{tier}'"
                )
        row = {
            "user_id": user_id,
            "stripe_id": f"sub_{uuid4().hex}",
            "current_tier": current_tier,
            "updated_at": FIRST_MESSAGE_AT + timedelta(seconds=next(numbers)),
        }
        with engine.begin() as connection:
            connection.execute(ADD_SUBSCRIPTION, row)

    return _add_subscription


@pytest.fixture
def add_conversation(engine, add_user):
    """Add a conversation, of a new learner by default; return the id."""

    def _add_conversation(language="en", **columns):
        if "user_id" not in columns:
            columns["user_id"] = add_user()
        row = {"id": f"conversation-{uuid4()}", "target_language_id": language, **columns}
        with engine.begin() as connection:
            connection.execute(ADD_LANGUAGE, {"language": language})
        return _insert(engine, Conversation, row)

    return _add_conversation


@pytest.fixture
def add_message(engine, add_conversation):
    """Add a learner's message whose audio waits for analysis; return the id.

    Each is a minute younger than the one before; all of a language share one conversation.
    """
    numbers = count()
    conversations = {}

    def _add_message(language="en", **columns):
        number = next(numbers)
        if "conversation_id" not in columns and language not in conversations:
            conversations[language] = add_conversation(language)
        row = {
            "id": f"message-{number}",
            "conversation_id": conversations.get(language),
            "role": "user",
            "content": "Hello world",
            "timestamp": FIRST_MESSAGE_AT + timedelta(minutes=number),
            "audio_storage_key": f"audio/user/conversation/message-{number}.wav",
            "audio_format": "pcm16",
            "audio_processing_state": "uploaded",
            **columns,
        }
        return _insert(engine, Message, row)

    return _add_message


def _insert(engine, table, row):
    with engine.begin() as connection:
        connection.execute(sa.insert(table), row)
    return row["id"]
