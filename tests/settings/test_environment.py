import os
import resource
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from schema.states import AnalysisEngine
from settings.environment import (
    AnalysisSettings,
    BucketSettings,
    DatabaseSettings,
    EngineSettings,
    NotificationSettings,
)
from settings.processes import analysis_environment
from speech import engine

SEED = {
    "TIGRIS_BUCKET_NAME": "kaiwa-audio",
    "TIGRIS_ACCESS_KEY_ID": "tid_1",
    "TIGRIS_SECRET_ACCESS_KEY": "tsec_1",
    "TIGRIS_ENDPOINT": "https://fly.storage.tigris.dev",
    "TIGRIS_REGION": "auto",
}
AWS = {
    "AWS_S3_BUCKET_NAME": "other",
    "AWS_ACCESS_KEY_ID": "aid_1",
    "AWS_SECRET_ACCESS_KEY": "asec_1",
    "AWS_S3_ENDPOINT": "https://s3.example.org",
    "AWS_REGION": "eu-central-1",
}

# As Fly sets them for a machine with a Tigris bucket.
FLY = {
    "BUCKET_NAME": "kaiwa-on-fly",
    "AWS_ACCESS_KEY_ID": "tid_2",
    "AWS_SECRET_ACCESS_KEY": "tsec_2",
    "AWS_ENDPOINT_URL_S3": "https://fly.storage.tigris.dev",
    "AWS_REGION": "auto",
}
# Each setting's names in order of precedence.
NAMES = {
    "bucket_name": (
        "TIGRIS_BUCKET_NAME",
        "AWS_S3_BUCKET_NAME",
        "BUCKET_NAME",
        "AWS_BUCKET_NAME",
    ),
    "access_key_id": ("TIGRIS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"),
    "secret_access_key": ("TIGRIS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
    "session_token": ("TIGRIS_SESSION_TOKEN", "AWS_SESSION_TOKEN"),
    "endpoint": (
        "TIGRIS_ENDPOINT",
        "AWS_S3_ENDPOINT",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL",
    ),
    "region": ("TIGRIS_REGION", "AWS_REGION"),
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in os.environ:
        if name.startswith(("TIGRIS_", "AWS_")) or name in {"BUCKET_NAME", "DATABASE_URL"}:
            monkeypatch.delenv(name)


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


def test_the_apps_names_are_read(monkeypatch):
    assert read(monkeypatch, SEED) == tuple(SEED.values())


def test_awss_names_will_do(monkeypatch):
    assert read(monkeypatch, AWS) == tuple(AWS.values())


def test_the_apps_names_win(monkeypatch):
    assert read(monkeypatch, {**AWS, **SEED}) == tuple(SEED.values())


def test_flys_names_will_do(monkeypatch):
    assert read(monkeypatch, FLY) == tuple(FLY.values())


@pytest.mark.parametrize(
    ("setting", "name", "later_names"),
    [
        (setting, name, names[place + 1 :])
        for setting, names in NAMES.items()
        for place, name in enumerate(names)
    ],
)
def test_a_name_beats_all_later_ones_and_empty_earlier_ones(
    monkeypatch, setting, name, later_names
):
    read(monkeypatch, SEED)
    for each in NAMES[setting]:
        monkeypatch.setenv(each, "https://later" if each in later_names else "")
    this_one = "https://this-one" if setting == "endpoint" else "this-one"
    monkeypatch.setenv(name, this_one)
    value = getattr(BucketSettings(), setting)
    assert (value if isinstance(value, str) else value.get_secret_value()) == this_one


def test_only_the_bucket_may_go_without_its_vendors_name(monkeypatch):
    strangers = {"ENDPOINT": "http://127.0.0.1:9", "REGION": "eu-west-1", "SESSION_TOKEN": "t"}
    assert read(monkeypatch, {**SEED, **strangers}) == tuple(SEED.values())
    assert BucketSettings().session_token is None


def test_an_empty_variable_does_not_hide_its_fallback(monkeypatch):
    variables = {**AWS, **dict.fromkeys(SEED, "")}
    assert read(monkeypatch, variables) == tuple(AWS.values())


# Defaults that depend on whose keys are set


def without(variables, *names):
    return {name: value for name, value in variables.items() if name not in names}


@pytest.mark.parametrize("empty", [{}, dict.fromkeys(NAMES["endpoint"], "")])
@pytest.mark.parametrize(
    "variables",
    [without(SEED, "TIGRIS_ENDPOINT"), without(FLY, "AWS_ENDPOINT_URL_S3")],
)
def test_keys_of_tigris_are_for_tigris(monkeypatch, variables, empty):
    read_back = read(monkeypatch, {**variables, **empty})
    assert read_back[3:] == ("https://fly.storage.tigris.dev", "auto")


@pytest.mark.parametrize("name", NAMES["endpoint"])
def test_any_endpoint_that_is_given_beats_that_of_tigris(monkeypatch, name):
    variables = {**without(SEED, "TIGRIS_ENDPOINT"), name: "https://t3.storage.dev"}
    assert read(monkeypatch, variables)[3] == "https://t3.storage.dev"


def test_other_keys_without_endpoint_are_for_aws(monkeypatch):
    assert read(monkeypatch, without(AWS, "AWS_S3_ENDPOINT"))[3:] == (None, "eu-central-1")


def test_only_the_keys_that_are_used_determine_the_defaults(monkeypatch):
    keys_of_aws = {"TIGRIS_ACCESS_KEY_ID": "AKIA1", "TIGRIS_REGION": "eu-west-1"}
    variables = {**without(FLY, "AWS_ENDPOINT_URL_S3"), **keys_of_aws}
    assert read(monkeypatch, variables)[3:] == (None, "eu-west-1")


@pytest.mark.parametrize(
    "endpoint", [{}, {"TIGRIS_ENDPOINT": "https://s3.eu-west-1.amazonaws.com"}]
)
@pytest.mark.parametrize("region", [{}, {"AWS_REGION": "auto"}])
def test_a_bucket_on_aws_needs_its_region(monkeypatch, endpoint, region):
    variables = {**without(AWS, "AWS_S3_ENDPOINT", "AWS_REGION"), **endpoint, **region}
    with pytest.raises(ValidationError, match=r"no region 'auto'\. Set TIGRIS_REGION"):
        read(monkeypatch, variables)


def test_the_bucket_is_never_guessed(monkeypatch):
    with pytest.raises(ValidationError) as refusal:
        read(monkeypatch, without(FLY, "BUCKET_NAME"))
    assert [problem["loc"] for problem in refusal.value.errors()] == [("TIGRIS_BUCKET_NAME",)]


@pytest.mark.parametrize("setting", ["bucket_name", "access_key_id", "secret_access_key"])
def test_a_missing_variable_is_named_as_the_app_does_and_no_other_shown(monkeypatch, setting):
    apps_name = NAMES[setting][0]
    variables = {**SEED, **dict.fromkeys(NAMES[setting], "")}
    with pytest.raises(ValidationError) as refusal:
        read(monkeypatch, variables)
    assert [problem["loc"] for problem in refusal.value.errors()] == [(apps_name,)]
    assert not any(value in str(refusal.value) for value in variables.values() if value)


@pytest.mark.parametrize("written", ["2025-10-13T12:00:00+00:00", "2025-10-13T12:00:00Z"])
@pytest.mark.parametrize("name", ["TIGRIS_CREDENTIAL_EXPIRATION", "AWS_CREDENTIAL_EXPIRATION"])
def test_the_end_of_temporary_credentials_is_read_as_awss_tools_write_it(
    monkeypatch, name, written
):
    monkeypatch.setenv(name, written)
    read(monkeypatch, SEED)
    assert BucketSettings().credentials_expire_at == datetime(2025, 10, 13, 12, tzinfo=UTC)


@pytest.mark.parametrize("name", ["TIGRIS_CREDENTIAL_EXPIRATION", "AWS_CREDENTIAL_EXPIRATION"])
def test_an_empty_end_means_no_end(monkeypatch, name):
    monkeypatch.setenv(name, "")
    read(monkeypatch, SEED)
    assert BucketSettings().credentials_expire_at is None


def test_an_end_without_a_time_zone_is_refused(monkeypatch):
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


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/T/token", "http://127.0.0.1:9000/token", "http://chat/token",
        "http://10.1.2.3/token", "http://[::1]/token", "http://localhost:1/token",
    ],
)  # fmt: skip
def test_alerts_go_out_encrypted_or_stay_in_a_private_network(monkeypatch, url):
    monkeypatch.setenv("KAIWA_NOTIFICATION_WEBHOOK_URL", url)
    assert NotificationSettings().webhook_url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/T/token", "http://93.184.215.14/token", "file:///etc/token",
        "ftp://hooks.example.org/token", "hooks.example.org/token", "https:///token",
        "https://user:token@", "gopher://127.0.0.1/token", "http://[token", "token",
    ],
)  # fmt: skip
def test_any_other_address_for_alerts_is_refused_without_showing_it(monkeypatch, url):
    monkeypatch.setenv("KAIWA_NOTIFICATION_WEBHOOK_URL", url)
    with pytest.raises(ValidationError) as refused:
        NotificationSettings()
    assert "token" not in str(refused.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        "ftp://s3.example.org",
        "file:///etc/passwd",
        "s3.example.org",
        "https://",
        "https:///path",
        "https://key:secret@s3.example.org",
        "https://s3.example.org@evil.example",
        "https://s3.example.org/?x=1",
        "https://s3.example.org/#x",
        "https://s3.example.org\\@evil.example",
        "https://s3.example.org\r\nHost: evil.example",
        "https://s3.example.org:port",
        "https://[::1",
        " https://s3.example.org",
    ],
)
def test_an_endpoint_is_a_plain_url_and_its_credentials_are_not_repeated(monkeypatch, endpoint):
    with pytest.raises(ValidationError, match="must be http:") as error:
        read(monkeypatch, {**SEED, "TIGRIS_ENDPOINT": endpoint})
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:9000", "http://[::1]:9000", "http://bucket:9000", "https://x.example/s3"],
)
def test_usual_endpoints_are_taken(monkeypatch, endpoint):
    assert endpoint in read(monkeypatch, {**SEED, "TIGRIS_ENDPOINT": endpoint})


@pytest.mark.parametrize(
    "name", ["..", "a/b", "a?b", "b\n", "arn:aws:s3:us-east-1:1:accesspoint/x", "x" * 256, "ab#"]
)
def test_a_buckets_name_is_only_a_name(monkeypatch, name):
    with pytest.raises(ValidationError, match="BUCKET_NAME"):
        read(monkeypatch, {**SEED, "TIGRIS_BUCKET_NAME": name})


def test_a_process_that_reads_secrets_leaves_no_core_dump(monkeypatch):
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        read(monkeypatch, SEED)
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def test_an_analysis_process_gets_nothing_of_this_environment(monkeypatch):
    for name in [*SEED, "PREFECT_API_KEY", "PYTHONPATH", "HOME"]:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/python/lib")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "8")
    environment = analysis_environment()
    assert "secret" not in environment.values()
    assert environment["LD_LIBRARY_PATH"] == "/opt/python/lib"
    assert environment["OPENBLAS_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAIWA_ANALYSIS_MEMORY_MIB", "100"),
        ("KAIWA_ANALYSIS_PATIENCE", "0.5"),
        ("KAIWA_START_SECONDS", "0"),
        ("KAIWA_REQUIRE_LOCKDOWN", "perhaps"),
    ],
)
def test_a_limit_of_the_analysis_that_cannot_work_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name):
        AnalysisSettings()


def test_each_language_gets_the_engine_that_tells_most_unless_a_deployment_chooses(monkeypatch):
    monkeypatch.delenv("KAIWA_ENGINE", raising=False)
    assert EngineSettings().engine is AnalysisEngine.AUTO
    for name in engine.LANGUAGES:
        monkeypatch.setenv("KAIWA_ENGINE", name)
        assert EngineSettings().engine is AnalysisEngine(name)
    monkeypatch.setenv("KAIWA_ENGINE", "whisper")
    with pytest.raises(ValidationError, match=r"(?s)KAIWA_ENGINE.*'kaiwa' or 'dtw'"):
        EngineSettings()


def test_a_deployment_chooses_engines_for_single_languages(monkeypatch):
    monkeypatch.setenv("KAIWA_LANGUAGE_ENGINES", "en=kaiwa, ja=dtw")
    assert EngineSettings().language_engines == {
        "en": AnalysisEngine.KAIWA,
        "ja": AnalysisEngine.DTW,
    }


@pytest.mark.parametrize("value", ["en", "en=", "en=whisper", "=dtw", "english=dtw"])
def test_a_choice_that_names_no_language_or_no_engine_is_refused(monkeypatch, value):
    monkeypatch.setenv("KAIWA_LANGUAGE_ENGINES", value)
    with pytest.raises(ValidationError, match="KAIWA_LANGUAGE_ENGINES"):
        EngineSettings()


def test_schema_and_speech_name_the_same_engines():
    assert set(AnalysisEngine) == {*engine.LANGUAGES, AnalysisEngine.AUTO}
