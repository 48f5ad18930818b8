import pytest
from typer.testing import CliRunner

from cli.main import app
from deployments.local import moto
from deployments.local.moto import MotoServer
from deployments.local.ports import choose_ports
from tasks import resources

SECRET = "a-secret-nobody-may-see"
NAMES = ("BUCKET_NAME", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "ENDPOINT", "REGION")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moto")
    server = MotoServer(folder)
    yield server.start(choose_ports(moto.SERVERS, folder / "ports.json")).endpoint
    server.stop()


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in NAMES:
        for prefix in ("TIGRIS_", "AWS_"):
            monkeypatch.delenv(prefix + name, raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    resources.bucket.cache_clear()
    yield
    resources.bucket.cache_clear()


@pytest.fixture
def settings(monkeypatch, endpoint):
    values = ("audio-of-init", "key", SECRET, endpoint, "us-east-1")
    for name, value in zip(NAMES, values, strict=True):
        monkeypatch.setenv(f"TIGRIS_{name}", value)


def init():
    return CliRunner().invoke(app, ["storage", "init"])


def test_init_says_what_it_made_and_what_stood_already(settings):
    first, second = init(), init()
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "audio-of-init: made" in first.output
    assert ".kaiwa-audio: written" in first.output
    assert second.output.count("stood already") == 2


def test_after_init_the_bucket_is_ours(settings):
    init()
    resources.bucket().verify_marker()


def test_a_missing_setting_is_named_and_no_other_one_shown(settings, monkeypatch):
    monkeypatch.delenv("TIGRIS_BUCKET_NAME")
    result = init()
    assert result.exit_code == 1
    assert "TIGRIS_BUCKET_NAME" in result.output
    assert SECRET not in result.output


def test_an_unreachable_server_is_told_without_a_traceback(settings, monkeypatch):
    monkeypatch.setenv("TIGRIS_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody there
    result = init()
    assert result.exit_code == 1
    assert "TIGRIS_ENDPOINT" in result.output
    assert "Traceback" not in result.output
    assert SECRET not in result.output
