"""Endpoints and secrets under the seed's names; `AWS_*` as fallback."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    AwareDatetime,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

_TIGRIS_ENDPOINT = "https://fly.storage.tigris.dev"
_TIGRIS_KEYS_BEGIN = "tid_"


class DatabaseSettings(BaseSettings):
    """Where the app's Postgres is."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    database_url: SecretStr = Field(description="postgresql://user:password@host:port/database")


class BucketSettings(BaseSettings):
    """Where the audio bucket is; any S3-compatible endpoint.

    Of a setting's names the first that is not empty counts; the seed's own is always first.
    """

    model_config = SettingsConfigDict(
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # when one variable is missing, the input is all the others
    )

    # No default, though the app has one: flows delete, and a guessed bucket may be another's.
    bucket_name: str = Field(
        validation_alias=AliasChoices(
            "TIGRIS_BUCKET_NAME", "AWS_S3_BUCKET_NAME", "BUCKET_NAME", "AWS_BUCKET_NAME"
        )
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
        description="When temporary credentials end, as `aws configure export-credentials` says it",
        validation_alias=AliasChoices("TIGRIS_CREDENTIAL_EXPIRATION", "AWS_CREDENTIAL_EXPIRATION"),
    )
    endpoint: str | None = Field(
        None,
        description="None for AWS itself",
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

    @field_validator("endpoint")
    @classmethod
    def _tigris_for_its_own_keys(cls, endpoint: str | None, info: ValidationInfo) -> str | None:
        key: SecretStr | None = info.data.get("access_key_id")
        if endpoint is None and key and key.get_secret_value().startswith(_TIGRIS_KEYS_BEGIN):
            return _TIGRIS_ENDPOINT
        return endpoint

    @field_validator("region")
    @classmethod
    def _a_real_one_on_aws(cls, region: str, info: ValidationInfo) -> str:
        # AWS refuses URLs that are signed for another region, and only who opens one finds out.
        if region == "auto" and "access_key_id" in info.data and _is_aws(info.data["endpoint"]):
            kind, message = (
                "region_of_aws",
                "AWS has no region 'auto'. Set TIGRIS_REGION to the bucket's, or TIGRIS_ENDPOINT "
                "if the bucket is not on AWS.",
            )
            raise PydanticCustomError(kind, message)
        return region


def _is_aws(endpoint: str | None) -> bool:
    return endpoint is None or (urlsplit(endpoint).hostname or "").endswith(".amazonaws.com")


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
        Path("kaiwa-reports"),
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
