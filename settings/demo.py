"""Settings of the demo."""

from pydantic import DirectoryPath, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DemoSettings(BaseSettings):
    """Where the demo's speech comes from."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    corpus: DirectoryPath | None = Field(
        None, description="Folder of speechocean762; empty: synthetic learners"
    )
