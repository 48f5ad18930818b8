import os
import secrets
import urllib.request

import pytest
from typer.testing import CliRunner

from cli.main import app
from schema.clock import utc_now
from stores.bucket.audio_bucket import MARKER_KEY
from tasks.resources import storage

SECRET = "a-secret-nobody-may-see"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in os.environ:
        if name.startswith(("TIGRIS_", "AWS_")) or name == "BUCKET_NAME":
            monkeypatch.delenv(name)
    storage.bucket.cache_clear()
    storage.signer.cache_clear()
    yield
    storage.bucket.cache_clear()
    storage.signer.cache_clear()


@pytest.fixture(params=["swift", "moto"])
def server(request, monkeypatch):
    """Configure a new bucket on an S3 server without a region; return the server's name."""
    address = request.getfixturevalue(f"{request.param}_address")
    monkeypatch.setenv("TIGRIS_BUCKET_NAME", f"audio-{secrets.token_hex(4)}")
    monkeypatch.setenv("TIGRIS_ACCESS_KEY_ID", address.access_key_id)
    monkeypatch.setenv("TIGRIS_SECRET_ACCESS_KEY", address.secret_access_key.get_secret_value())
    monkeypatch.setenv("TIGRIS_ENDPOINT", address.endpoint)
    return request.param


@pytest.fixture
def nowhere(monkeypatch):
    """All settings, for a server that does not answer."""
    monkeypatch.setenv("TIGRIS_BUCKET_NAME", "audio")
    monkeypatch.setenv("TIGRIS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("TIGRIS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("TIGRIS_ENDPOINT", "http://127.0.0.1:9")  # the discard port: no server


def init():
    return CliRunner().invoke(app, ["storage", "init"])


def test_init_reports_what_it_created_and_what_already_existed(server):
    first, second = init(), init()
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert f"{os.environ['TIGRIS_BUCKET_NAME']}: created" in first.output
    assert ".kaiwa-audio: written" in first.output
    assert second.output.count("already exists") == 2


@pytest.mark.parametrize("region", ["", "auto", "us-east-1"])
def test_after_init_the_bucket_is_ours_and_its_signed_urls_are_good(server, monkeypatch, region):
    monkeypatch.setenv("TIGRIS_REGION", region)
    assert init().exit_code == 0
    storage.bucket().verify_marker()
    url = storage.signer().dated(utc_now()).sign(MARKER_KEY, 60)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # bypass any proxy
    with opener.open(url, timeout=30) as response:
        assert response.status == 200


def test_a_bucket_is_made_in_the_region_that_is_named(server, monkeypatch):
    monkeypatch.setenv("TIGRIS_REGION", "eu-west-1")
    result = init()
    if server == "swift":  # it accepts signatures for us-east-1 only
        assert result.exit_code == 1
        assert "TIGRIS_REGION" in result.output
        return
    assert result.exit_code == 0
    bucket = storage.bucket()
    location = bucket.client.get_bucket_location(Bucket=bucket.name)
    assert location["LocationConstraint"] == "eu-west-1"


@pytest.mark.parametrize(
    "missing", ["TIGRIS_BUCKET_NAME", "TIGRIS_ACCESS_KEY_ID", "TIGRIS_SECRET_ACCESS_KEY"]
)
def test_a_missing_setting_is_named_as_the_app_does_and_no_other_one_shown(
    nowhere, monkeypatch, missing
):
    monkeypatch.delenv(missing)
    result = init()
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"{missing}: Field required",
        "Set the variable, or source the `env` file of a local stack.",
    ]


def test_a_bucket_on_aws_of_unknown_region_is_not_guessed_at(nowhere, monkeypatch):
    monkeypatch.delenv("TIGRIS_ENDPOINT")
    result = init()
    assert result.exit_code == 1
    assert "AWS has no region 'auto'. Set TIGRIS_REGION to the bucket's" in result.output
    assert SECRET not in result.output


def test_an_unreachable_server_is_reported_without_a_traceback(nowhere):
    result = init()
    assert result.exit_code == 1
    assert "TIGRIS_ENDPOINT" in result.output
    assert "Traceback" not in result.output
    assert SECRET not in result.output
