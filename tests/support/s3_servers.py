"""S3 servers: Swift, which checks what it is sent, and moto, which wants regions as AWS does."""

import pytest

from local import moto, swift
from local.moto import MotoServer
from local.ports import choose_ports
from local.swift import SwiftServer


@pytest.fixture(scope="session")
def swift_address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swift")
    if reason := swift.obstacle(folder):
        pytest.skip(reason)
    server = SwiftServer(folder)
    try:
        yield server.start(choose_ports(swift.SERVERS, folder / "ports.json"))
    finally:
        server.stop()


@pytest.fixture(scope="session")
def moto_address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moto")
    server = MotoServer(folder)
    try:
        yield server.start(choose_ports(moto.SERVERS, folder / "ports.json"))
    finally:
        server.stop()
