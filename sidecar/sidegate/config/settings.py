"""The settings of `sidegate serve`, joined; a flag wins over the environment, the environment over the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sidegate.config.cache import CacheSettings
from sidegate.config.callers import CallerSettings
from sidegate.config.decisions import DecisionSettings
from sidegate.config.demo import DemoSettings
from sidegate.config.field import setting
from sidegate.config.invitations import InvitationSettings
from sidegate.config.limits.admission import AdmissionSettings
from sidegate.config.limits.facts import FactsSettings
from sidegate.config.limits.messages import MessageSettings
from sidegate.config.limits.transport import TransportSettings
from sidegate.config.names import ENV_PREFIX
from sidegate.config.network.listening import ListeningSettings
from sidegate.config.network.tls import TlsSettings
from sidegate.config.redis import RedisSettings
from sidegate.config.replica import ReplicaSettings
from sidegate.config.secret_files import with_secrets
from sidegate.config.store import StoreSettings
from sidegate.config.telemetry import TelemetrySettings
from sidegate.documents.yaml import Document, parse_document
from sidegate.errors import Fault, SettingsError

COMPONENTS: tuple[type[BaseModel], ...] = (
    ListeningSettings,
    TlsSettings,
    TransportSettings,
    AdmissionSettings,
    MessageSettings,
    FactsSettings,
    CallerSettings,
    StoreSettings,
    RedisSettings,
    DecisionSettings,
    ReplicaSettings,
    CacheSettings,
    InvitationSettings,
    TelemetrySettings,
    DemoSettings,
)


class Settings(
    DemoSettings,
    TelemetrySettings,
    InvitationSettings,
    CacheSettings,
    ReplicaSettings,
    DecisionSettings,
    RedisSettings,
    StoreSettings,
    CallerSettings,
    TransportSettings,
    TlsSettings,
    MessageSettings,
    FactsSettings,
    AdmissionSettings,
    ListeningSettings,
    BaseSettings,
):
    """All settings of the server; they never change while it runs."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", allow_inf_nan=False
    )

    config: Path | None = setting(None, "A YAML file with any of these settings.", expected="a file")

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        return with_secrets(values)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - a .env file is no source here
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor is a directory of secrets
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Name the sources, the strongest first."""
        return init_settings, env_settings, _FileSource(settings_cls)


class GivenSettings(Settings):
    """Settings that come from their caller alone: no environment and no file has a say."""

    @classmethod
    def settings_customise_sources(  # noqa: D102 - as in Settings
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the caller is the only source
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - see above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - see above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - see above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class _FileSource(PydanticBaseSettingsSource):
    """The settings file that a flag or the environment names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field.alias or field_name, False  # never asked: the source is called as a whole

    def __call__(self) -> dict[str, Any]:
        path = self.current_state.get("config")
        return _values(read_file(Path(path))) if path else {}


def read_file(path: Path) -> Document:
    """Return the settings file as a document.

    Raises:
        SettingsError: it can't be read, or is not a table of settings.
    """
    try:
        document = parse_document(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        message = f"can't read the settings: {(error.strerror or 'not readable').lower()}"
        raise SettingsError(Fault(str(path), 0, "", message)) from error
    except UnicodeDecodeError as error:
        raise SettingsError(Fault(str(path), 0, "", "not UTF-8 text")) from error
    if not isinstance(document.value, dict | None):
        raise SettingsError(document.fault((), "expected a mapping of settings, such as `log_level: debug`"))
    return document


def _values(document: Document) -> dict[str, Any]:
    """Return the file's settings; a key that is present and empty counts as absent."""
    values = document.value if isinstance(document.value, dict) else {}
    if "config" in values:
        raise SettingsError(document.fault(("config",), "a settings file can't name another"))
    return {name: value for name, value in values.items() if value is not None}
