"""What the demo reads from the environment."""

from pydantic import DirectoryPath, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DemoSettings(BaseSettings):
    """Whose speech the demo analyses."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    corpus: DirectoryPath | None = Field(
        None, description="Folder of speechocean762; without it the learners are synthetic"
    )
