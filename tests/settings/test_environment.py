import pytest
from pydantic import ValidationError

from settings.environment import BucketSettings, DatabaseSettings

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


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in (*SEED, *AWS, "TIGRIS_SESSION_TOKEN", "AWS_SESSION_TOKEN", "DATABASE_URL"):
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


def test_secrets_do_not_show(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@host/db")
    read(monkeypatch, SEED)
    shown = repr(BucketSettings()) + repr(DatabaseSettings())
    for secret in ("tid_1", "tsec_1", "hunter2"):
        assert secret not in shown
