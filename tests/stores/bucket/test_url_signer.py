"""Our signatures equal boto3's byte for byte, and a server that checks them accepts them."""

import logging
import pickle
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from local.addresses import REGION
from schema.clock import utc_now
from schema.errors.storage import CredentialExpiryUnknown, CredentialsExpired
from stores.bucket.access import BucketAccess
from stores.bucket.url_signer import MAX_EXPIRY_SECONDS, open_signer

KEY = "audio/user-1/conversation-1/message-1_1700000000000.wav"
NOON = datetime(2025, 10, 13, 12, tzinfo=UTC)
# Characters that SigV4 must or must not quote; the token looks like one of AWS.
ACCESS_KEY_ID, SECRET, TOKEN = "AKID+/=", "secret+/ ü=", "IQoJb3JpZ2lu+/ =="
FAR = datetime(2100, 1, 1, tzinfo=UTC)
SESSION = boto3.session.Session()

ADDRESSES = [
    ("bucket-1", "https://fly.storage.tigris.dev", "auto"),
    ("bucket.with.dots", "https://fly.storage.tigris.dev", "auto"),
    ("bucket-1", "http://127.0.0.1:9000", "us-east-1"),
    ("bucket-1", "http://[::1]:9000", "us-east-1"),
    ("bucket-1", "https://S3.Example.org:8443", "eu-central-1"),
    ("bucket-1", "https://s3.example.org:443", "eu-central-1"),
    ("bucket-1", "http://s3.example.org:80", "eu-central-1"),
    ("bucket-1", "https://example.org/storage", "eu-central-1"),
    ("bucket-1", None, "eu-central-1"),
    ("bucket-1", None, "us-east-1"),
]

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100) | st.text(
    "ab/ +%?#&=~._-:@!$'()*,;日ü👍\\\"<>", min_size=1, max_size=60
)


def signer(name="bucket-1", endpoint=None, region="auto", **temporary):
    keys = SecretStr(ACCESS_KEY_ID), SecretStr(SECRET)
    return open_signer(BucketAccess(name, endpoint, region, *keys, **temporary))


def boto3_client(name, endpoint, region, token):
    virtual = endpoint is None or "tigris" in endpoint
    return SESSION.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET,
        aws_session_token=token,
        config=Config(
            signature_version="s3v4", s3={"addressing_style": "virtual" if virtual else "path"}
        ),
    )


@pytest.fixture(scope="module", params=ADDRESSES, ids=lambda address: "-".join(map(str, address)))
def pair(request):
    """Boto3's client and our signers, without and with a session token."""
    name, endpoint, region = request.param
    lasting = signer(name, endpoint, region)
    temporary = signer(
        name, endpoint, region, session_token=SecretStr(TOKEN), credentials_expire_at=FAR
    )
    return name, [
        (boto3_client(name, endpoint, region, None), lasting),
        (boto3_client(name, endpoint, region, TOKEN), temporary),
    ]


@given(key=keys, seconds=st.integers(1, MAX_EXPIRY_SECONDS))
@example(KEY, 604_800)
@example("/", 1)
@example("//a//b//", 1)
@example("a b+c%20d", 1)
@example("日本語/👍.wav", 1)
@example("../a/./b", 1)
@example("~-._", 1)
def test_a_url_equals_boto3s_byte_for_byte(pair, key, seconds):
    name, both = pair
    for client, ours in both:
        parameters = {"Bucket": name, "Key": key}
        url = client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
        stamp = parse_qs(urlsplit(url).query)["X-Amz-Date"][0]
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%S%z")
        assert ours.dated(signed_at).sign(key, seconds) == url


def test_the_date_is_utc_cut_to_the_second():
    moment = datetime(2025, 10, 13, 0, 30, 1, 999_999, tzinfo=timezone(timedelta(hours=9)))
    dated = signer().dated(moment)
    assert dated.signed_at == datetime(2025, 10, 12, 15, 30, 1, tzinfo=UTC)
    url = dated.sign(KEY, 60)
    assert "X-Amz-Date=20251012T153001Z" in url
    assert "%2F20251012%2F" in url


@pytest.mark.parametrize("seconds", [-1, 0, 604_801])
def test_a_url_outside_the_limits_of_sigv4_is_not_signed(seconds):
    with pytest.raises(ValueError, match="604800"):
        signer().dated(NOON).sign(KEY, seconds)


# A real server that checks signatures and expiry


def fetch(url):
    """Return status and body of a GET without credentials or proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(params=[REGION, "auto"])
def sign(swift_address, swift_bucket, request):
    """Sign a URL for the server's bucket as of now."""
    real = open_signer(swift_address.access(swift_bucket.name, request.param))
    return lambda key, seconds: real.dated(utc_now()).sign(key, seconds)


@pytest.mark.parametrize("key", [KEY, "audio/a b+c%20d?e#f.wav", "audio/日本語/👍.wav", "a//b"])
def test_a_signed_url_reads_the_object(swift_bucket, sign, key):
    swift_bucket.put(key, b"data", "audio/wav")
    assert fetch(sign(key, 604_800)) == (200, b"data")


def test_an_expired_url_is_refused(swift_bucket, sign):
    swift_bucket.put(KEY, b"data", "audio/wav")
    url = sign(KEY, 1)
    time.sleep(2.1)
    assert fetch(url)[0] == 403


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X-Amz-Expires=60", "X-Amz-Expires=600"),
        ("message-1", "message-2"),
        ("nature=", "nature=0"),
    ],
)
def test_a_forged_url_is_refused(swift_bucket, sign, old, new):
    swift_bucket.put(KEY, b"data", "audio/wav")
    swift_bucket.put(KEY.replace("message-1", "message-2"), b"other", "audio/wav")
    assert fetch(sign(KEY, 60).replace(old, new))[0] == 403


# Credentials


def test_temporary_credentials_of_unknown_end_sign_nothing():
    with pytest.raises(CredentialExpiryUnknown, match="TIGRIS_CREDENTIAL_EXPIRATION"):
        signer(session_token=SecretStr(TOKEN))


def test_credentials_sign_until_a_second_before_their_end():
    ending = signer(session_token=SecretStr(TOKEN), credentials_expire_at=NOON)
    second = timedelta(seconds=1)
    assert ending.dated(NOON - second).sign(KEY, 1)
    with pytest.raises(CredentialsExpired):
        ending.dated(NOON - second + timedelta(microseconds=1))


def test_no_secret_shows_nor_is_logged(caplog):
    secretive = signer(session_token=SecretStr(TOKEN), credentials_expire_at=FAR)
    with caplog.at_level(logging.DEBUG):
        dated = secretive.dated(NOON)
        signature = dated.sign(KEY, 60).rpartition("=")[2]
    shown = repr(secretive) + repr(dated) + caplog.text
    for secret in (ACCESS_KEY_ID, SECRET, TOKEN, signature, "X-Amz", repr(dated._day_key)):
        assert secret not in shown


def test_a_signer_survives_pickling():
    again = pickle.loads(pickle.dumps(signer()))
    assert again.dated(NOON).sign(KEY, 60) == signer().dated(NOON).sign(KEY, 60)
