"""Endpoints and secrets under the app's names, with `AWS_*` as fallback."""

import resource
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    AwareDatetime,
    BeforeValidator,
    Field,
    FilePath,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schema.states import AnalysisEngine

_TIGRIS_ENDPOINT = "https://fly.storage.tigris.dev"
_TIGRIS_KEYS_BEGIN = "tid_"


class _Secrets(BaseSettings):
    """Settings with secrets. The process that reads them leaves no core dump of its memory."""

    def model_post_init(self, context: object, /) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


class DatabaseSettings(_Secrets):
    """The app's Postgres database."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    database_url: SecretStr = Field(description="postgresql://user:password@host:port/database")


class BucketSettings(_Secrets):
    """The audio bucket, on any S3-compatible server.

    If a setting has several names, the first that is not empty counts; the app's own comes first.
    """

    model_config = SettingsConfigDict(
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # if a variable is missing, the input is all the others
    )

    # No default, unlike in the app: flows delete, and must not do so in a guessed bucket.
    bucket_name: str = Field(
        validation_alias=AliasChoices(
            "TIGRIS_BUCKET_NAME", "AWS_S3_BUCKET_NAME", "BUCKET_NAME", "AWS_BUCKET_NAME"
        ),
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$",
    )
    access_key_id: SecretStr = Field(
        validation_alias=AliasChoices("TIGRIS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID")
    )
    secret_access_key: SecretStr = Field(
        validation_alias=AliasChoices("TIGRIS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY")
    )
    session_token: SecretStr | None = Field(
        None, validation_alias=AliasChoices("TIGRIS_SESSION_TOKEN", "AWS_SESSION_TOKEN")
    )
    credentials_expire_at: AwareDatetime | None = Field(
        None,
        description="Expiry of temporary credentials, as in `aws configure export-credentials`",
        validation_alias=AliasChoices("TIGRIS_CREDENTIAL_EXPIRATION", "AWS_CREDENTIAL_EXPIRATION"),
    )
    endpoint: str | None = Field(
        None,
        description="URL of the S3 server; empty: AWS",
        validation_alias=AliasChoices(
            "TIGRIS_ENDPOINT", "AWS_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"
        ),
        validate_default=True,
    )
    region: str = Field(
        "auto",
        validation_alias=AliasChoices("TIGRIS_REGION", "AWS_REGION"),
        validate_default=True,
    )

    ca_file: FilePath | None = Field(
        None,
        description="PEM file of the authorities that may vouch for the S3 server",
        validation_alias="AWS_CA_BUNDLE",
    )

    @field_validator("endpoint")
    @classmethod
    def _tigris_for_its_own_keys(cls, endpoint: str | None, info: ValidationInfo) -> str | None:
        key: SecretStr | None = info.data.get("access_key_id")
        if endpoint is None and key and key.get_secret_value().startswith(_TIGRIS_KEYS_BEGIN):
            return _TIGRIS_ENDPOINT
        return endpoint

    @field_validator("endpoint")
    @classmethod
    def _a_plain_url(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and not _is_plain_url(endpoint):
            kind, message = (
                "endpoint",
                "It must be http:// or https://, a host, perhaps a port and a path. "
                "Credentials have settings of their own.",
            )
            raise PydanticCustomError(kind, message)
        return endpoint

    @field_validator("region")
    @classmethod
    def _a_real_one_on_aws(cls, region: str, info: ValidationInfo) -> str:
        # AWS refuses URLs signed for another region, which shows only when one is opened.
        is_known = {"access_key_id", "endpoint"} <= info.data.keys()
        if region == "auto" and is_known and _is_aws(info.data["endpoint"]):
            kind, message = (
                "region_of_aws",
                "AWS has no region 'auto'. Set TIGRIS_REGION to the bucket's region, or "
                "TIGRIS_ENDPOINT if the bucket is not on AWS.",
            )
            raise PydanticCustomError(kind, message)
        return region


def _is_aws(endpoint: str | None) -> bool:
    return endpoint is None or (urlsplit(endpoint).hostname or "").endswith(".amazonaws.com")


def _is_plain_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        has_host = bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return (
        has_host
        and url.scheme in {"http", "https"}
        and "@" not in url.netloc
        and text.isprintable()
        and not set(text) & set(" \\?#")
    )


class ClusterSettings(BaseSettings):
    """The Dask cluster that analyses chunks of messages, if any."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    dask_address: str | None = Field(
        None,
        description="Address of the scheduler: tcp://host:8786 or tls://host:8786; empty: analyse "
        "in the flow run's own process",
        pattern=r"^(tcp|tls)://.+:\d+$",
        validation_alias="KAIWA_DASK_ADDRESS",
    )


class StartSettings(BaseSettings):
    """Limits of starting other programs."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    start_seconds: float = Field(
        300.0,
        description="How long an analysis process may take to start, and `prefect deploy` to run",
        gt=0,
        validation_alias="KAIWA_START_SECONDS",
    )


class AnalysisSettings(StartSettings):
    """Limits of the processes that analyse recordings."""

    memory_mib: int = Field(
        2048,
        description="Address space of one analysis process, MiB; macOS has no such limit",
        ge=1024,
        validation_alias="KAIWA_ANALYSIS_MEMORY_MIB",
    )
    patience: float = Field(
        10.0,
        description="How many times its limit of processor time an analysis may take before it is "
        "stopped and tried again later",
        ge=1,
        validation_alias="KAIWA_ANALYSIS_PATIENCE",
    )
    require_lockdown: bool = Field(
        False,
        description="Analyse nothing on a system that cannot isolate analysis processes fully",
        validation_alias="KAIWA_REQUIRE_LOCKDOWN",
    )

    @property
    def memory_bytes(self) -> int:
        """The limit of memory in bytes."""
        return self.memory_mib * 2**20


def _as_pairs(value: object) -> object:
    """Turn "ja=dtw, en=kaiwa" into pairs."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    return {language.strip(): engine.strip() for language, _, engine in pairs}


class EngineSettings(BaseSettings):
    """The engines of this deployment."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    engine: AnalysisEngine = Field(
        AnalysisEngine.AUTO,
        description="Analyses recordings unless a run asks for another",
        validation_alias="KAIWA_ENGINE",
    )
    language_engines: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], AnalysisEngine],
        NoDecode,
        BeforeValidator(_as_pairs),
    ] = Field(
        {},
        description="The engines that auto takes for single languages, such as en=kaiwa,ja=dtw",
        validation_alias="KAIWA_LANGUAGE_ENGINES",
    )


class ReportSettings(BaseSettings):
    """The folder for reports that are written as files."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    reports_dir: Path = Field(
        Path("kaiwa-reports"),
        description="Tables, charts, Data Docs and Prometheus metrics; created if missing",
        validation_alias="KAIWA_REPORTS_DIR",
    )


class NotificationSettings(_Secrets):
    """Where alerts are sent."""

    model_config = SettingsConfigDict(
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # whoever has the URL can post
    )

    webhook_url: SecretStr | None = Field(
        None,
        description="Accepts a POST of JSON with a `text`, as in Slack, Mattermost, Google Chat",
        validation_alias="KAIWA_NOTIFICATION_WEBHOOK_URL",
    )

    @field_validator("webhook_url")
    @classmethod
    def _encrypted_outside_private_networks(cls, url: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(url.get_secret_value()) if url else None
        if parts is None or (parts.hostname and parts.scheme == "https"):
            return url
        if parts.scheme == "http" and _is_private(parts.hostname or ""):
            return url
        kind, message = (
            "webhook_url",
            "must be an https:// URL; http:// only to a private address or a name without a dot.",
        )
        raise PydanticCustomError(kind, message)


def _is_private(host: str) -> bool:
    """Return whether a host is a private address, or a name within a network, such as `chat`."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return bool(host) and "." not in host


class HostSettings(BaseSettings):
    """Variables that the interpreter and numpy may need; passed on to child processes."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    # Needed by interpreters whose shared libpython lies outside the loader's path.
    library_path: str | None = Field(None, alias="LD_LIBRARY_PATH")
    mac_library_path: str | None = Field(None, alias="DYLD_LIBRARY_PATH")
    # The same kernels compute the same scores in every process.
    blas_core: str | None = Field(None, alias="OPENBLAS_CORETYPE")
