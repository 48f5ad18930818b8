"""A web page in a browser of this machine reaches no S3 server that checks no signature."""

import httpx
import psycopg
import pytest

from local import swift
from local.moto import MotoServer
from local.ports import HOST, choose_ports
from local.process import kill_marked
from local.swift import SwiftServer

PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example:80"},
]


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = MotoServer(tmp_path_factory.mktemp("moto"))
    folder = server._folder
    yield server.start(choose_ports(("moto",), folder / "ports.json"))
    server.stop()


@pytest.mark.parametrize("headers", PAGES, ids=str)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/kaiwa-audio/audio/a.wav"),
        ("DELETE", "/kaiwa-audio/audio/kept.wav"),
        ("GET", "/kaiwa-audio?list-type=2"),
        ("OPTIONS", "/kaiwa-audio/audio/kept.wav"),
        ("POST", "/moto-api/reset"),
    ],
)
def test_a_page_cannot_use_moto(moto, method, path, headers):
    bucket = moto.bucket()
    bucket.create_with_marker()
    bucket.put("audio/kept.wav", b"data", "audio/wav")
    answer = httpx.request(method, moto.endpoint + path, headers=headers, trust_env=False)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert bucket.get("audio/kept.wav", max_bytes=10) == b"data"


def test_a_page_cannot_use_swifts_back_ends(tmp_path):
    if reason := swift.obstacle(tmp_path):
        pytest.skip(reason)
    ports = choose_ports(swift.SERVERS, tmp_path / "ports.json")
    server = SwiftServer(tmp_path)
    try:
        bucket = server.start(ports).bucket()
        bucket.create_with_marker()
        bucket.put("audio/kept.wav", b"data", "audio/wav")
        for kind in ("object", "container", "account"):
            url = f"http://{HOST}:{ports[kind]}/disk/0/AUTH_kaiwa/kaiwa-audio/audio/kept.wav"
            own = httpx.head(url, trust_env=False)
            assert own.status_code != 403
            for headers in PAGES:
                forged = headers | {"X-Timestamp": "9999999999.0"}
                assert httpx.delete(url, headers=forged, trust_env=False).status_code == 403
        assert bucket.get("audio/kept.wav", max_bytes=10) == b"data"
    finally:
        server.stop()
        kill_marked(tmp_path)


def test_swifts_s3_server_refuses_what_is_not_signed(tmp_path):
    if reason := swift.obstacle(tmp_path):
        pytest.skip(reason)
    ports = choose_ports(swift.SERVERS, tmp_path / "ports.json")
    server = SwiftServer(tmp_path)
    try:
        address = server.start(ports)
        address.bucket().create_with_marker()
        for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS"):
            url = f"{address.endpoint}/kaiwa-audio/audio/a.wav"
            answer = httpx.request(
                method, url, headers={"Origin": "https://evil.example"}, trust_env=False
            )
            assert answer.status_code >= 400
            assert "access-control-allow-origin" not in answer.headers
    finally:
        server.stop()
        kill_marked(tmp_path)


def test_nobody_logs_in_to_postgres_without_its_password(postgres):
    url = postgres.url()
    password = url.split(":")[2].partition("@")[0]
    for wrong in ("", "postgres"):
        with pytest.raises(psycopg.OperationalError, match=r"password|auth"):
            psycopg.connect(url.replace(password, wrong))
