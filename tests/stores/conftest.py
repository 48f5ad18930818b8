"""Fixtures: a transaction, and buckets on the S3 servers."""

import secrets

import pytest


@pytest.fixture
def connection(engine):
    """A transaction that is rolled back."""
    with engine.connect() as connection:
        yield connection


@pytest.fixture(scope="session", params=["swift", "moto"])
def s3_address(request):
    return request.getfixturevalue(f"{request.param}_address")


@pytest.fixture
def bucket(s3_address):
    """A new bucket with its marker."""
    return _new_bucket(s3_address)


@pytest.fixture
def swift_bucket(swift_address):
    """A new bucket on the server that checks signatures, expiry and limits."""
    return _new_bucket(swift_address)


def _new_bucket(address):
    bucket = address.bucket(f"test-{secrets.token_hex(4)}")
    bucket.create_with_marker()
    return bucket
