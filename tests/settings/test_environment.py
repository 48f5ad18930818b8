from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from settings.environment import BucketSettings, DatabaseSettings, NotificationSettings

SEED = {
    "TIGRIS_BUCKET_NAME": "kaiwa-audio",
    "TIGRIS_ACCESS_KEY_ID": "tid_1",
    "TIGRIS_SECRET_ACCESS_KEY": "tsec_1",
    "TIGRIS_ENDPOINT": "https://fly.storage.tigris.dev",
    "TIGRIS_REGION": "auto",
}
AWS = {
    "AWS_BUCKET_NAME": "other",
    "AWS_ACCESS_KEY_ID": "aid_1",
    "AWS_SECRET_ACCESS_KEY": "asec_1",
    "AWS_ENDPOINT_URL_S3": "https://s3.example.org",
    "AWS_REGION": "eu-central-1",
}

TEMPORARY = [
    f"{vendor}_{name}"
    for vendor in ("TIGRIS", "AWS")
    for name in ("SESSION_TOKEN", "CREDENTIAL_EXPIRATION")
]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in (*SEED, *AWS, *TEMPORARY, "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def read(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = BucketSettings()
    return (
        settings.bucket_name,
        settings.access_key_id.get_secret_value(),
        settings.secret_access_key.get_secret_value(),
        settings.endpoint,
        settings.region,
    )


def test_the_seeds_names_are_read(monkeypatch):
    assert read(monkeypatch, SEED) == tuple(SEED.values())


def test_awss_names_will_do(monkeypatch):
    assert read(monkeypatch, AWS) == tuple(AWS.values())


def test_the_seeds_names_win(monkeypatch):
    assert read(monkeypatch, {**AWS, **SEED}) == tuple(SEED.values())


def test_an_empty_variable_is_none_at_all(monkeypatch):
    settings = read(monkeypatch, {**SEED, "TIGRIS_ENDPOINT": "", "TIGRIS_REGION": ""})
    assert settings[3:] == (None, "auto")


def test_an_empty_variable_does_not_hide_its_fallback(monkeypatch):
    variables = {**AWS, **dict.fromkeys(SEED, "")}
    assert read(monkeypatch, variables) == tuple(AWS.values())


@pytest.mark.parametrize("missing", list(SEED)[:3])
def test_a_missing_variable_is_named(monkeypatch, missing):
    with pytest.raises(ValidationError, match=missing):
        read(monkeypatch, {name: value for name, value in SEED.items() if name != missing})


@pytest.mark.parametrize("written", ["2025-10-13T12:00:00+00:00", "2025-10-13T12:00:00Z"])
@pytest.mark.parametrize("name", ["TIGRIS_CREDENTIAL_EXPIRATION", "AWS_CREDENTIAL_EXPIRATION"])
def test_the_end_of_temporary_credentials_is_read_as_awss_tools_write_it(
    monkeypatch, name, written
):
    monkeypatch.setenv(name, written)
    read(monkeypatch, SEED)
    assert BucketSettings().credentials_expire_at == datetime(2025, 10, 13, 12, tzinfo=UTC)


def test_an_end_in_nobodys_time_zone_is_refused(monkeypatch):
    monkeypatch.setenv("TIGRIS_CREDENTIAL_EXPIRATION", "2025-10-13T12:00:00")
    with pytest.raises(ValidationError, match="TIGRIS_CREDENTIAL_EXPIRATION"):
        read(monkeypatch, SEED)


def test_secrets_do_not_show(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@host/db")
    read(monkeypatch, SEED)
    monkeypatch.setenv("KAIWA_NOTIFICATION_WEBHOOK_URL", "https://hooks.example.org/T0")
    settings = (BucketSettings(), DatabaseSettings(), NotificationSettings())
    shown = " ".join(repr(one) for one in settings)
    for secret in ("tid_1", "tsec_1", "hunter2", "T0"):
        assert secret not in shown
