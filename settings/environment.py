"""Endpoints and secrets under the seed's names; `AWS_*` as fallback."""

from pathlib import Path

from pydantic import AliasChoices, AwareDatetime, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class DatabaseSettings(BaseSettings):
    """Where the app's Postgres is."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    database_url: SecretStr = Field(description="postgresql://user:password@host:port/database")


class BucketSettings(BaseSettings):
    """Where the audio bucket is; any S3-compatible endpoint."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True, env_ignore_empty=True)

    bucket_name: str = Field(validation_alias=AliasChoices("TIGRIS_BUCKET_NAME", "AWS_BUCKET_NAME"))
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
        description="When temporary credentials end, as `aws configure export-credentials` says it",
        validation_alias=AliasChoices("TIGRIS_CREDENTIAL_EXPIRATION", "AWS_CREDENTIAL_EXPIRATION"),
    )
    endpoint: str | None = Field(
        None, validation_alias=AliasChoices("TIGRIS_ENDPOINT", "AWS_ENDPOINT_URL_S3")
    )
    region: str = Field("auto", validation_alias=AliasChoices("TIGRIS_REGION", "AWS_REGION"))


class ClusterSettings(BaseSettings):
    """Where chunks of messages are analysed, if not in the flow run's own process."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    dask_address: str | None = Field(
        None,
        description="Of a Dask cluster's scheduler: tcp://host:8786, or tls://host:8786",
        pattern=r"^(tcp|tls)://.+:\d+$",
        validation_alias="KAIWA_DASK_ADDRESS",
    )


class ReportSettings(BaseSettings):
    """Where reports are written that people and other programs read as files."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    reports_dir: Path = Field(
        Path("reports"),
        description="Tables, charts, Data Docs and Prometheus metrics; made when it is not there",
        validation_alias="KAIWA_REPORTS_DIR",
    )


class NotificationSettings(BaseSettings):
    """Where a person is told that something needs them."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    webhook_url: SecretStr | None = Field(
        None,
        description="Takes a POST of JSON with a text, as Slack, Mattermost and Google Chat do",
        validation_alias="KAIWA_NOTIFICATION_WEBHOOK_URL",
    )


class HostSettings(BaseSettings):
    """What the interpreter itself may need from the host, to be passed on to child processes."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    # Interpreters built with a shared libpython outside the loader's path do not start without it.
    library_path: str | None = Field(None, alias="LD_LIBRARY_PATH")
    mac_library_path: str | None = Field(None, alias="DYLD_LIBRARY_PATH")
