"""No command lets a file, an argument or a row take control of the terminal."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from cli.main import app
from schema.visible import visible
from tests.schema.test_visible import HOSTILE
from tests.speech.conftest import DATA

FOX = DATA / "fox.flac"
FOX_TEXT = "The quick brown fox jumps over the lazy dog."
EVIL = "".join(HOSTILE.values()).replace("\udc80", "")  # what a text in Postgres may hold
KAIWA_AUDIO = Path(sys.executable).with_name("kaiwa-audio")


def commands(command=None, path=()):
    """Yield every command with its path."""
    command = command or typer.main.get_command(app)
    children = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from commands(child, (*path, name))


def arguments(command, text):
    """Yield arguments that give this text to each parameter in turn."""
    for parameter in command.params:
        if getattr(parameter, "is_flag", False):
            continue
        names = [name for name in parameter.opts if name.startswith("--")]
        yield [names[-1], text] if names else [text]
    yield [f"--{text}"]


def harmless(output):
    """Return whether a terminal only shows this."""
    return visible(output, keep="\n") == output


COMMANDS = {" ".join(path): command for path, command in commands()}


@pytest.mark.usefixtures("at_database")
@pytest.mark.parametrize("name", COMMANDS)
def test_hostile_arguments_are_shown_as_escapes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in HOSTILE.values():
        for given in arguments(COMMANDS[name], text):
            done = CliRunner().invoke(app, [*name.split(), *given])
            assert harmless(done.output), given
            assert isinstance(done.exception, SystemExit | None)


@pytest.mark.usefixtures("at_database")
@pytest.mark.parametrize("kind", ["message", "conversation", "user"])
def test_hostile_ids_reasons_and_names_are_shown_as_escapes(kind, add_message, add_conversation):
    add_message(id=EVIL, conversation_id=add_conversation(id=EVIL))
    who = ["--reason", EVIL, "--by", EVIL]
    outputs = [
        CliRunner().invoke(app, ["hold", *given]).output
        for given in (
            ["place", f"--{kind}", EVIL, *who], ["place", f"--{kind}", EVIL, *who], ["list"],
            ["release", "1", "--by", EVIL], ["release", "1", "--by", EVIL],
            ["release", "1", "--by", "Mori"],
        )
    ]  # fmt: skip
    assert all(map(harmless, outputs))
    if kind != "user":
        assert "\\u001b" in outputs[2]


@pytest.mark.parametrize("given", [["doctor"], ["doctor", "--json"], ["upgrade", "--dry-run"]])
def test_hostile_names_in_the_database_are_shown_as_escapes(given, empty_database_url, monkeypatch):
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        evil = EVIL.replace('"', '""')[:20]
        connection.execute(f'CREATE TABLE messages (id text, "{evil}" text)'.encode())
        connection.execute(f'CREATE VIEW "v{evil}" AS SELECT * FROM messages'.encode())
        connection.execute(f'CREATE INDEX "i{evil}" ON messages (id)'.encode())
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    done = CliRunner().invoke(app, ["database", *given])
    assert isinstance(done.exception, SystemExit | None)
    assert harmless(done.output)
    if given[-1] == "--json":
        json.loads(done.output)


@pytest.mark.parametrize("options", [[], ["--json"], ["--html"]], ids=str)
def test_the_name_of_a_recording_is_shown_as_escapes(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    name = "a\x1b]0;x\x07\nAccuracy 100\r\u202eb.flac"
    shutil.copy(FOX, tmp_path / name)
    done = CliRunner().invoke(app, ["analyze", name, "--text", FOX_TEXT, *options])
    assert done.exit_code == 0
    if options == ["--html"]:  # a path for programs, unless it goes to a terminal
        assert done.stdout_bytes == name.replace(".flac", ".html").encode() + b"\n"
        page = next(tmp_path.glob("*.html")).read_text()
        assert "\x1b" not in page
        assert "\u202e" not in page
    else:
        assert harmless(done.output)
    if not options:
        assert done.output.startswith(
            "a\\u001b]0;x\\u0007\\u000aAccuracy 100\\u000d\\u202eb.flac\n"
        )


@pytest.mark.parametrize("options", [[], ["--json"]], ids=str)
def test_a_hostile_text_is_shown_as_escapes(options):
    text = FOX_TEXT.replace("fox", "f\x9bo\u202ex\x1b]0;x\x07")
    done = CliRunner().invoke(app, ["analyze", str(FOX), "--text", text, *options])
    assert harmless(done.output)
    if options and done.exit_code == 0:
        json.loads(done.output)


@pytest.mark.parametrize("name", [b"a\x1b]0;x\x07.wav", b"a\xff\x9b31m.wav", b"a\nb.wav"])
def test_a_file_that_is_missing_or_no_recording_is_named_as_escapes(tmp_path, name):
    for make in (False, True):
        if make:
            (Path(str(tmp_path).encode().decode()) / name.decode(errors="surrogateescape")).touch()
        done = subprocess.run(
            [KAIWA_AUDIO, b"analyze", name, b"--text", b"hi"],
            cwd=tmp_path, capture_output=True, check=False,
        )  # fmt: skip
        output = (done.stdout + done.stderr).decode()
        assert done.returncode == 1
        assert "Traceback" not in output
        assert harmless(output)
