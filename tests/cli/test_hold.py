"""Output of `kaiwa-audio hold`."""

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.main import app
from stores.deletion import holds
from tasks.resources import storage

pytestmark = pytest.mark.usefixtures("at_database")
WHY = ("--reason", "court order [12/3] :+1:", "--by", "Mori")


def run(*arguments):
    return CliRunner().invoke(app, ["hold", *map(str, arguments)], env={"COLUMNS": "200"})


def test_a_hold_is_placed_listed_and_released(engine, add_message):
    message_id = add_message()
    placed = run("place", "--message", message_id, *WHY)
    assert placed.exit_code == 0
    assert placed.output == "Legal hold 1 keeps 1 recording; 0 had been deleted before it.\n"
    shown = run("list").output
    for text in ("1", f"message {message_id}", "court order [12/3] :+1:", "Mori"):
        assert text in shown
    assert run("release", 1, "--by", "Sato").exit_code == 0
    assert "There is no active legal hold." in run("list").output
    with engine.connect() as connection:
        assert holds.active(connection) == []


def test_repeating_a_command_says_that_nothing_changed(add_message):
    message_id = add_message()
    run("place", "--message", message_id, *WHY)
    placed = run("place", "--message", message_id, *WHY)
    assert placed.exit_code == 0
    assert placed.output.startswith("Nothing changed: the same hold has been in force since 20")
    assert "Legal hold 1 keeps 1 recording;" in placed.output
    assert run("release", 1, "--by", "Sato").output == "Legal hold 1 is released.\n"
    released = run("release", 1, "--by", "Sato")
    assert released.exit_code == 0
    assert released.output.startswith("Nothing changed: Sato had already released legal hold 1 at")
    other = run("release", 1, "--by", "Mori")
    assert other.exit_code == 1
    assert "Legal hold 1 is not in force" in other.output


@pytest.mark.parametrize("kind", ["conversation", "user"])
def test_conversations_and_users_can_be_held(engine, kind, add_user, add_conversation, add_message):
    user_id = add_user()
    conversation_id = add_conversation(user_id=user_id)
    add_message(conversation_id=conversation_id)
    id_ = {"conversation": conversation_id, "user": user_id}[kind]
    assert "keeps 1 recording;" in run("place", f"--{kind}", id_, *WHY).output
    with engine.connect() as connection:
        (hold,) = holds.active(connection)
    assert (hold.scope, hold.subject_id) == (kind, str(id_))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("place", *WHY), "one of --message"),
        (("place", "--message", "", *WHY), "one of --message"),
        (("place", "--message", "m", "--user", "u", *WHY), "one of --message"),
        (("place", "--message", "m", "--reason", " ", "--by", "Mori"), "must not be empty"),
        (("place", "--message", "m", "--reason", "case 7"), "--by"),
        (("release", "first", "--by", "Sato"), "hold_id"),
    ],
)
def test_a_command_with_too_few_or_too_many_options_is_refused(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("place", "--message", "nobody's", *WHY), "There is no message"),
        (("place", "--user", "Hana", *WHY), "the id of a user is a UUID"),
        (("release", 7, "--by", "Sato"), "Legal hold 7 is not in force"),
        (("place", "--message", "\udcff", *WHY), "The id of the message contains"),
        (("place", "--conversation", " ", *WHY), "The id of the conversation is blank"),
        (("place", "--user", "u\0", *WHY), "The id of the user contains"),
        (("place", "--message", "m", "--reason", "a\udcff", "--by", "M"), "The reason contains"),
        (("place", "--message", "m", "--reason", "a", "--by", "\udcff"), "The name contains"),
        (("release", 1, "--by", "\udcff"), "The name contains NUL characters or lone surrogates"),
    ],
)
def test_an_impossible_command_is_reported_without_a_traceback(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_without_the_buckets_settings_a_doubtful_hold_stands_and_says_at_once_what_is_missing(
    engine, add_message, monkeypatch
):
    message_id = add_message()
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO audio_ops.deletion_ledger"
                " (message_id, storage_key, key_sha256, reason)"
                " SELECT id, audio_storage_key, sha256(convert_to(audio_storage_key, 'UTF8')),"
                " 'retention' FROM messages"
            )
        )
    for name in ("TIGRIS", "AWS"):
        monkeypatch.delenv(f"{name}_ACCESS_KEY_ID", raising=False)
    storage.bucket.cache_clear()
    placed = run("place", "--message", message_id, *WHY)
    assert placed.exit_code == 1
    assert "Legal hold 1 is in force. 1 recording may be in the middle" in placed.output
    assert "TIGRIS_ACCESS_KEY_ID" in placed.output
    with engine.connect() as connection:
        assert len(holds.active(connection)) == 1
