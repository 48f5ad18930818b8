import socket
from dataclasses import replace

import pytest
from pydantic import SecretStr

from policy.bucket import BUCKET_LIMITS
from schema.errors.storage import StorageUnavailable
from stores.bucket import audio_bucket
from stores.bucket.access import BucketAccess, address_refusal
from stores.bucket.audio_bucket import open_bucket
from tests.support.hostile_bucket import answer, sending

KEY = "audio/u/c/m_1.wav"
LINK_LOCAL = ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%eth0", "224.0.0.1"]


def test_no_secret_shows():
    keys = [SecretStr(secret) for secret in ("key-id", "pa$$", "to+ken")]
    shown = repr(BucketAccess("bucket-1", None, "auto", *keys))
    assert "bucket-1" in shown
    assert not any(key.get_secret_value() in shown for key in keys)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "10.1.2.3", "192.168.1.2", "172.20.0.3", "fd00::1", "100.64.1.1"],
)
@pytest.mark.parametrize("tls", [True, False])
def test_private_addresses_are_asked_with_or_without_tls(address, tls):
    assert address_refusal(address, tls=tls) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_asked_with_tls_only(address):
    assert address_refusal(address, tls=True) is None
    assert "https://" in address_refusal(address, tls=False)


@pytest.mark.parametrize("address", LINK_LOCAL)
@pytest.mark.parametrize("tls", [True, False])
def test_link_local_addresses_are_never_asked(address, tls):
    assert "link-local" in address_refusal(address, tls=tls)


@pytest.fixture
def ask(hostile_bucket, monkeypatch):
    """Ask for an object of a bucket at an endpoint."""
    monkeypatch.setattr(audio_bucket, "_FIRST_PAUSE_SECONDS", 0)
    access = BucketAccess("b", hostile_bucket.endpoint, "auto", SecretStr("k"), SecretStr("s"))

    def _ask(endpoint=hostile_bucket.endpoint):
        bucket = open_bucket(replace(access, endpoint=endpoint), BUCKET_LIMITS)
        return bucket.get(KEY, max_bytes=100)

    return _ask


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("http://169.254.169.254", "link-local"),
        ("https://169.254.169.254", "link-local"),
        ("http://[::ffff:169.254.169.254]", "link-local"),
        ("http://2852039166", "link-local"),  # the same, as one number
        ("http://8.8.8.8", "https://"),
    ],
)
def test_the_address_of_an_endpoint_is_checked_before_it_is_asked(ask, endpoint, reason):
    with pytest.raises(StorageUnavailable, match=reason):
        ask(endpoint)


def test_the_address_is_checked_that_a_name_resolves_to(ask, hostile_bucket, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(StorageUnavailable, match="link-local"):
        ask("http://bucket.internal")


def test_redirects_are_not_followed(ask, hostile_bucket):
    other = f"{hostile_bucket.endpoint}/b/elsewhere"
    for status in ("301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"):
        hostile_bucket[KEY] = sending(answer(status, Location=other, x_amz_bucket_region="evil"))
        with pytest.raises(StorageUnavailable, match="HTTP 30"):
            ask()
    assert all(f"/b/{KEY} ".encode() in request for request in hostile_bucket.requests)


def test_another_region_in_an_answer_does_not_change_later_requests(hostile_bucket, monkeypatch):
    bucket = hostile_bucket.bucket()
    body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>evil</Region></Error>"
    hostile_bucket["bad"] = sending(answer("400 Bad Request", body, x_amz_bucket_region="evil"))
    with pytest.raises(Exception, match="AuthorizationHeaderMalformed"):
        bucket.get("bad", max_bytes=1)
    hostile_bucket.objects[KEY] = b"data"
    assert bucket.get(KEY, max_bytes=10) == b"data"
    assert len(hostile_bucket.requests) == 2
    assert not any(b"evil" in request for request in hostile_bucket.requests)


@pytest.mark.parametrize(
    "name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
)
def test_a_proxy_of_the_environment_is_not_used(ask, hostile_bucket, monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: no server
    hostile_bucket.objects[KEY] = b"data"
    assert ask() == b"data"


def test_an_endpoint_of_the_aws_configuration_is_not_used(monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://evil.example\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://evil.example")
    access = BucketAccess("b-1", None, "eu-central-1", SecretStr("k"), SecretStr("s"))
    client = open_bucket(access, BUCKET_LIMITS).client
    assert client.meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"
    assert "amazonaws.com/" in access.objects_address()
