import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from local import addresses
from local.addresses import PrefectAddress, S3Address, StackAddresses
from settings.environment import BucketSettings, DatabaseSettings

STACK = StackAddresses(
    SecretStr("postgresql://postgres:pa$$'\"wörd@127.0.0.1:5432/postgres"),
    S3Address("http://127.0.0.1:9000", "kaiwa:local", SecretStr("s$ecret `id` ' \"")),
    PrefectAddress("http://127.0.0.1:4200/api", SecretStr("admin:pre$fect ' \"")),
)


def test_what_was_saved_is_loaded(tmp_path):
    addresses.save(STACK, tmp_path)
    assert addresses.load(tmp_path) == STACK


def test_a_folder_without_stack_has_no_addresses(tmp_path):
    assert addresses.load(tmp_path) is None


def test_files_with_secrets_are_for_their_owner_alone(tmp_path):
    (tmp_path / "env").touch(mode=0o644)  # an older one that others may read
    addresses.save(STACK, tmp_path)
    for name in ("stack.json", "env"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"stack.json", "env"}


def test_a_shell_that_sources_env_has_every_value_unchanged(tmp_path):
    addresses.save(STACK, tmp_path)
    for name, value in STACK.environment().items():
        script = f'. "{tmp_path}/env" && printf %s "${name}"'
        shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        assert shell.stdout == value


def test_a_bare_shell_that_sources_env_finds_the_commands_and_their_home(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    addresses.save(STACK, folder)
    script = f'. "{folder}/env"; command -v kaiwa-audio prefect ls; printf "%s\\n" "$PREFECT_HOME"'
    shell = subprocess.run(
        ["env", "-i", "bash", "-c", script], capture_output=True, text=True, check=True
    )
    found = shell.stdout.splitlines()
    commands = Path(sys.executable).parent
    assert found[:2] == [str(commands / "kaiwa-audio"), str(commands / "prefect")]
    assert found[2].endswith("/ls")
    assert found[3] == str(folder / "prefect")


def test_settings_read_the_stacks_environment(monkeypatch):
    for name, value in STACK.environment().items():
        monkeypatch.setenv(name, value)
    bucket = BucketSettings()
    assert bucket.endpoint == STACK.s3.endpoint
    assert bucket.access_key_id.get_secret_value() == STACK.s3.access_key_id
    assert bucket.secret_access_key == STACK.s3.secret_access_key
    assert DatabaseSettings().database_url == STACK.database_url


def test_secrets_do_not_show():
    for secret in ("pa$$", "s$ecret", "pre$fect"):
        assert secret not in repr(STACK)


@pytest.mark.parametrize("url", ["http://127.0.0.1:4200/api", "http://127.0.0.1:4200"])
def test_the_ui_is_where_the_api_is(url):
    assert replace(STACK.prefect, api_url=url).ui_url == "http://127.0.0.1:4200"
