"""Settings of a Dagboek process: environment (`DAGBOEK_...`), then the settings file, then defaults.

The settings file is TOML: `dagboek.toml` in the working directory, or the file that `DAGBOEK_SETTINGS`
names. Its keys are the field names of `Settings` in lower case.
"""

import base64
import binascii
import difflib
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterable
from email.utils import parseaddr
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import entry_points
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from dagboek.night import Night, zone_of

ENV_PREFIX: Final = "DAGBOEK_"
SETTINGS_FILE: Final = "dagboek.toml"
VAULT_KEY_FILE: Final = "vault.key"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class SettingsError(Exception):
    """Settings that cannot be used. The text says what, where and how to fix it; it never shows a value."""


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/dagboek`, else `~/.local/share/dagboek`."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "dagboek"


def settings_file() -> Path | None:
    """The settings file in use, or None. Raises `SettingsError` when `DAGBOEK_SETTINGS` names no file."""
    named = os.environ.get(f"{ENV_PREFIX}SETTINGS")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(
                f"{ENV_PREFIX}SETTINGS names {path}, which is no file. Correct the path or unset the variable."
            )
        return path
    path = Path(SETTINGS_FILE)
    return path if path.is_file() else None


class Settings(BaseSettings):
    """What a process needs to know before it can reach anything. Made by `load_settings()`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    kafka_bootstrap: str | None = Field(
        None, description="host:port of Kafka brokers, separated by commas; the embedded broker where absent"
    )
    kafka_security: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict,
        repr=False,
        description="librdkafka properties for TLS and SASL, such as security.protocol and sasl.mechanism",
    )
    database_url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:port/name; the embedded server where absent"
    )
    data_dir: Path = Field(default_factory=default_data_dir, description="folder for what must survive restarts")
    topic_prefix: str = Field("dagboek", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    partitions: int = Field(48, ge=1, le=10_000, description="partitions per topic, chosen once")
    tool_calls: int = Field(256, ge=1, le=10_000, description="items of one tool that a worker has in work at a time")
    tenant_calls: int = Field(64, ge=1, le=10_000, description="of them, those of one tenant")
    topic_replication: int = Field(1, ge=1, le=32_767, description="copies of each partition (3 in production)")
    secret_keys: Annotated[list[SecretStr], NoDecode] = Field(
        default_factory=list, description="vault keys, newest first; data_dir/vault.key where none is given"
    )
    nightly: str = Field(
        "01:00-05:00", description="hours in which nightly runs start, such as 01:00-05:00; over midnight where needed"
    )
    time_zone: str = Field("Europe/Brussels", description="time zone of the nightly hours, such as Europe/Brussels")
    web_host: str = Field("127.0.0.1", description="address that console and API listen on")
    web_port: int | None = Field(
        None, ge=0, le=65_535, description="port of console and API; 0 for one that is free, 8420 where absent"
    )
    web_url: str | None = Field(
        None, description="address that browsers use for console and API, where a proxy stands before them"
    )
    web_proxies: str = Field(
        "127.0.0.1", description="addresses of proxies whose X-Forwarded-For is believed, separated by commas"
    )
    oidc_issuer: str | None = Field(
        None, description="issuer of the OpenID provider at which people sign in, such as https://login.example.com"
    )
    oidc_client_id: str | None = Field(
        None, validate_default=True, description="what the OpenID provider calls this installation"
    )
    oidc_client_secret: SecretStr | None = Field(None, description="secret of the OpenID client, where it has one")
    oidc_title: str = Field("OpenID", max_length=50, description="name of the OpenID provider, on the sign-in page")
    oidc_new_people: bool = Field(
        False, description="whether who is not known yet becomes a person, of no tenant, by signing in with OpenID"
    )
    smtp_host: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._:-]{1,253}$", description="mail server; no mail is sent where absent"
    )
    smtp_port: int | None = Field(
        None, ge=1, le=65_535, description="port of the mail server; 587, 465 or 25 by smtp_security where absent"
    )
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="how the way to the mail server is encrypted: starttls, tls or none"
    )
    smtp_user: str | None = Field(None, description="user of the mail server")
    smtp_password: SecretStr | None = Field(None, description="password of that user")
    smtp_from: str | None = Field(
        None,
        validate_default=True,
        description="who mail is from, such as Dagboek <dagboek@example.com>",
    )
    webhook_networks: str = Field(
        "",
        description="networks that webhooks may reach besides public addresses, such as 10.20.0.0/16 or 127.0.0.0/8, "
        "separated by commas; none where absent",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    maven_repository: str | None = Field(
        None, description="address of a Maven repository for the embedded broker; Maven Central where absent"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is passed wins over the environment, and that over the file."""
        path = settings_file()
        files = (TomlConfigSettingsSource(settings_cls, path),) if path else ()
        return (init_settings, env_settings, *files)

    @field_validator("kafka_bootstrap")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        for server in (value or "").split(",") if value else ():
            if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}", server.strip()):
                raise ValueError("must be host:port, several separated by commas")
        return value

    @field_validator("kafka_security", mode="before")
    @classmethod
    def _properties(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("{"):
            return _json(value)
        pairs = [part.split("=", 1) for part in value.split(";") if part.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError('must be a JSON object, or "property=value" separated by semicolons')
        return {name.strip(): text.strip() for name, text in pairs}

    @field_validator("nightly")
    @classmethod
    def _hours(cls, value: str) -> str:
        Night.of(value, "UTC")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        zone_of(value)
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        url = re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql://", value.get_secret_value())
        if not url.startswith("postgresql://"):
            raise ValueError("must begin with postgresql:// (Dagboek uses PostgreSQL only)")
        try:
            conninfo_to_dict(url)
        except ProgrammingError:
            # Its text may quote the password, so it is not passed on.
            raise ValueError(
                "is not a valid PostgreSQL address; special characters in the password must be percent-encoded"
            ) from None
        return SecretStr(url)

    @field_validator("web_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^/\s?#@]+/?", value):
            raise ValueError("must be the address alone, such as https://dagboek.example.com")
        return value.rstrip("/") if value else None

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str | None) -> str | None:
        if not value:
            return None
        parts = urlsplit(value)
        plain = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not parts.hostname or not (parts.scheme == "https" or plain) or parts.query or parts.fragment:
            raise ValueError("must be the https address that the provider calls itself by (http on this machine alone)")
        return value

    @field_validator("oidc_client_id")
    @classmethod
    def _client(cls, value: str | None, told: ValidationInfo) -> str | None:
        if told.data.get("oidc_issuer") and not value:
            raise ValueError("is needed where oidc_issuer is set")
        return value or None

    @field_validator("smtp_password")
    @classmethod
    def _not_in_the_clear(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        given = info.data
        if (value is None) != (given.get("smtp_user") is None):
            raise ValueError("smtp_user and smtp_password go together")
        if value is not None and given.get("smtp_security") == "none" and given.get("smtp_host") not in _LOOPBACK:
            raise ValueError("would be sent unencrypted; choose starttls or tls as smtp_security")
        return value

    @field_validator("smtp_from")
    @classmethod
    def _mail_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            if info.data.get("smtp_host") is not None:
                raise ValueError("is needed with smtp_host, such as Dagboek <dagboek@example.com>")
            return None
        _, address = parseaddr(value)
        if not value.isprintable() or not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+", address):
            raise ValueError("must be an e-mail address, such as Dagboek <dagboek@example.com>")
        return value

    @field_validator("webhook_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        try:
            [ip_network(one.strip()) for one in value.split(",") if one.strip()]
        except ValueError:
            raise ValueError("must be networks such as 10.20.0.0/16, separated by commas") from None
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _key_list(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return _json(value) if value.lstrip().startswith("[") else [key for key in re.split(r"[,\s]+", value) if key]

    @field_validator("secret_keys")
    @classmethod
    def _fernet_keys(cls, value: list[SecretStr]) -> list[SecretStr]:
        for position, key in enumerate(value, start=1):
            if not _is_vault_key(key.get_secret_value()):
                raise ValueError(f"key {position} is not 32 bytes in URL-safe base64")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    def vault_keys(self) -> list[SecretStr]:
        """Keys for credentials at rest, newest first: `secret_keys`, else those in `data_dir/vault.key`.

        The file holds one key a line and is made (mode 0600) at first use. Raises `SettingsError` when it
        cannot be made or read, holds something else, or may be read by other users.
        """
        return list(self.secret_keys) or _keys_of_file(self.data_dir / VAULT_KEY_FILE)


def load_settings() -> Settings:
    """Settings from environment and file. Raises `SettingsError` with every fault at once.

    Variables that nothing reads are named on standard error, once a process.
    """
    _refuse_misspelt_variables()
    _name_unknown_variables()
    path = settings_file()
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {type(error).__name__}. It must be a UTF-8 file.") from None
    except ValidationError as error:
        faults = "\n".join(f"  - {_describe(fault)}" for fault in error.errors(include_input=False))
        raise SettingsError(f"The settings cannot be used:\n{faults}") from None


def _describe(fault: Any) -> str:
    name = str(fault["loc"][0]) if fault["loc"] else "settings"
    message = str(fault["msg"]).removeprefix("Value error, ")
    variable = f"{ENV_PREFIX}{name.upper()}"
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(sorted(Settings.model_fields))}"
        return f"{name} in {settings_file()}: no such setting; {hint}"
    in_environment = any(key.upper() == variable and text for key, text in os.environ.items())
    where = variable if in_environment else f"{name} in {settings_file()}"
    purpose = Settings.model_fields[name].description if name in Settings.model_fields else None
    return f"{where}: {message}" + (f" ({purpose})" if purpose else "")


def _refuse_misspelt_variables() -> None:
    # A misspelt DAGBOEK_DATABASE_URL would quietly start an embedded database beside the real one.
    known = [f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields] + [f"{ENV_PREFIX}SETTINGS"]
    for variable in os.environ:
        if variable.startswith(ENV_PREFIX) and variable not in known:
            near = difflib.get_close_matches(variable, known, n=1, cutoff=0.9)
            if near:
                raise SettingsError(f"{variable}: no such setting; did you mean {near[0]}?")


def unknown_variables(known: Iterable[str] = ()) -> list[str]:
    """A sentence for each `DAGBOEK_...` variable that nothing reads.

    `known` are those of plugins; `*` stands for any end.
    """
    ours = [f"{ENV_PREFIX}{name.upper()}" for name in (*Settings.model_fields, "settings", "fault_point")]
    names = [*ours, *known]
    found = []
    for variable in sorted(os.environ):
        if variable.startswith(ENV_PREFIX) and not any(fnmatchcase(variable, name) for name in names):
            near = difflib.get_close_matches(variable, [name for name in names if "*" not in name], n=1, cutoff=0.75)
            found.append(f"{variable} is no setting and is not read." + (f" Did you mean {near[0]}?" if near else ""))
    return found


@cache
def _name_unknown_variables() -> None:
    # Plugins are not loaded here: whatever may be one's is taken for its own.
    plugins = [f"{ENV_PREFIX}{point.name.upper()}_*" for point in entry_points(group="dagboek")]
    for sentence in unknown_variables(plugins):
        sys.stderr.write(f"{sentence}\n")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise ValueError("is not valid JSON") from None


def _is_vault_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key.encode(), altchars=b"-_", validate=True)) == 32
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return False


def _keys_of_file(path: Path) -> list[SecretStr]:
    try:
        if not path.exists():
            _create_key_file(path)
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"{path} holds the vault keys but other users may read it. Run: chmod 600 {path}")
        keys = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The vault keys in {path} cannot be used ({type(error).__name__}). "
            f"Make the folder writable, choose another with {ENV_PREFIX}DATA_DIR, "
            f"or pass the keys in {ENV_PREFIX}SECRET_KEYS."
        ) from None
    if not keys or not all(_is_vault_key(key) for key in keys):
        raise SettingsError(
            f"{path} must hold one key a line, each 32 bytes in URL-safe base64. "
            "Restore it from a backup: without it the stored credentials cannot be read."
        )
    return [SecretStr(key) for key in keys]


def _create_key_file(path: Path) -> None:
    """Makes the file whole or not at all; of two processes at once, one wins and both use its key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # made by another process meanwhile
    finally:
        draft.unlink(missing_ok=True)
