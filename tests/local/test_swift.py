import os
import socket
import stat

import psutil
import pytest

from local import swift
from local.ports import HOST, choose_ports
from local.process import ServiceFailed, kill_marked, marked
from local.swift import SERVERS, SwiftServer
from schema.errors.storage import StorageUnavailable

KEY = "audio/kept.wav"


@pytest.fixture
def folder(tmp_path):
    if reason := swift.obstacle(tmp_path):
        pytest.skip(reason)
    yield tmp_path
    kill_marked(tmp_path)


def ports(folder):
    return choose_ports(SERVERS, folder / "ports.json")


def test_objects_and_keys_outlive_a_restart_on_other_ports(folder):
    server = SwiftServer(folder)
    first = server.start(ports(folder))
    bucket = first.bucket()
    bucket.create_with_marker()
    bucket.put(KEY, b"data", "audio/wav")
    server.stop()
    assert not server.running
    with pytest.raises(StorageUnavailable):
        bucket.head(KEY)

    (folder / "ports.json").unlink()
    second = SwiftServer(folder).start(ports(folder))
    assert second.endpoint != first.endpoint
    assert second.secret_access_key == first.secret_access_key
    assert second.bucket().get(KEY, max_bytes=10) == b"data"
    listing = second.bucket().client.list_objects_v2(Bucket=bucket.name, Prefix="audio/")
    assert [entry["Key"] for entry in listing["Contents"]] == [KEY]


def test_objects_outlive_a_kill(folder):
    server = SwiftServer(folder)
    bucket = server.start(ports(folder)).bucket()
    bucket.create_with_marker()
    bucket.put(KEY, b"data", "audio/wav")
    assert kill_marked(folder) == len(SERVERS)
    assert not server.running
    bucket = server.start(ports(folder)).bucket()
    assert bucket.get(KEY, max_bytes=10) == b"data"


def test_two_folders_have_two_secrets(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    servers = [SwiftServer(folder), SwiftServer(other)]
    try:
        one, two = [server.start(ports(server._folder)) for server in servers]
        assert one.secret_access_key != two.secret_access_key
    finally:
        kill_marked(other)


def test_a_taken_port_is_said_and_the_rest_can_be_stopped(folder):
    chosen = ports(folder)
    server = SwiftServer(folder)
    with (
        socket.create_server((HOST, chosen["container"])),
        pytest.raises(ServiceFailed, match=r"swift-container ended(?s:.*)Could not bind"),
    ):
        server.start(chosen)
    server.stop()
    assert marked(folder) == []


def test_it_listens_on_loopback_alone(folder):
    SwiftServer(folder).start(ports(folder))
    listening = [
        s.laddr.ip
        for process in marked(folder)
        for s in process.net_connections("inet")
        if s.status == psutil.CONN_LISTEN
    ]
    assert listening == [HOST] * len(SERVERS)


def test_secrets_are_for_their_owner_alone(folder):
    SwiftServer(folder).start(ports(folder))
    assert stat.S_IMODE((folder / "swift").stat().st_mode) == 0o700
    for conf in (folder / "swift").glob("*.conf"):
        assert stat.S_IMODE(conf.stat().st_mode) == 0o600


def test_requests_with_their_signatures_are_not_logged(folder):
    bucket = SwiftServer(folder).start(ports(folder)).bucket()
    bucket.create_with_marker()
    bucket.get(".kaiwa-audio", max_bytes=1000)
    logs = "".join(path.read_text() for path in (folder / "logs").iterdir())
    assert "Signature" not in logs
    assert "GET" not in logs


def test_a_file_system_without_attributes_is_an_obstacle(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse, raising=False)
    monkeypatch.setattr(swift.sys, "platform", "linux")
    assert "extended attributes (Operation not supported)" in swift.obstacle(tmp_path)


def test_another_system_is_an_obstacle(tmp_path, monkeypatch):
    monkeypatch.setattr(swift.sys, "platform", "darwin")
    assert "Linux" in swift.obstacle(tmp_path)


def test_a_missing_package_is_an_obstacle(tmp_path, monkeypatch):
    monkeypatch.setattr(swift, "find_spec", lambda _: None)
    assert "extra `local`" in swift.obstacle(tmp_path)
