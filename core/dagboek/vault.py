"""Credentials at rest: encrypted with keys that stay outside the database (design section 11).

The newest key encrypts, all of them decrypt: a key is changed by putting a new one in front, running
`dagboek migrate --rotate-keys`, and only then taking the old one away.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretBytes, SecretStr

from dagboek.settings import ENV_PREFIX, VAULT_KEY_FILE, Settings

_MASKED: Final = str(SecretStr("x"))


class VaultError(Exception):
    """What is stored cannot be read, or the keys are no keys. Says which setting is concerned; shows no value."""


class Vault:
    """Encrypts and decrypts dictionaries of settings and tokens."""

    def __init__(self, keys: Sequence[str], setting: str = f"{ENV_PREFIX}SECRET_KEYS") -> None:
        """`keys`, newest first, each 32 bytes in URL-safe base64. `setting` says where they came from."""
        self._setting = setting
        if not keys:
            raise VaultError(f"{setting} holds no key. Make one with `new_key()` and put it there.")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except (ValueError, TypeError):
            raise VaultError(f"{setting} holds something that is no key: 32 bytes in URL-safe base64.") from None

    def encrypt(self, values: Mapping[str, Any]) -> bytes:
        """An opaque token. Takes what `model_dump()` gives; secrets are written as they are, inside the token.

        ValueError for a secret that was masked already (`model_dump(mode="json")`): storing it would lose it.
        """
        return self._fernet.encrypt(json.dumps(_unmasked(values), default=_plain).encode())

    def decrypt(self, token: bytes) -> dict[str, Any]:
        """What `encrypt` was given, with dates and decimals as text. VaultError when no key opens it."""
        try:
            opened = self._fernet.decrypt(token)
        except InvalidToken:
            raise self._wrong_key() from None
        values: dict[str, Any] = json.loads(opened)
        return values

    def rotate(self, token: bytes) -> bytes:
        """The same content under the newest key. VaultError when no key opens it."""
        try:
            return self._fernet.rotate(token)
        except InvalidToken:
            raise self._wrong_key() from None

    def _wrong_key(self) -> VaultError:
        return VaultError(
            f"Stored credentials cannot be read with the keys of {self._setting}. Add the key that they were written "
            "with at the end of that list, or connect the integration again."
        )


def new_key() -> str:
    """A fresh key for `secret_keys`."""
    return Fernet.generate_key().decode()


def vault_for(settings: Settings) -> Vault:
    """The vault of this process. The key file is made at first use; SettingsError when it cannot be used."""
    keys = [key.get_secret_value() for key in settings.vault_keys()]
    return Vault(keys, f"{ENV_PREFIX}SECRET_KEYS" if settings.secret_keys else str(settings.data_dir / VAULT_KEY_FILE))


def _plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case SecretBytes():
            return value.get_secret_value().decode()
        case datetime() | date():
            return value.isoformat()
        case Decimal() | UUID() | Path():
            return str(value)
        case set() | frozenset():
            return sorted(value)
    raise TypeError(f"a {type(value).__name__} cannot be stored in the vault")


def _unmasked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unmasked(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_unmasked(one) for one in value]
    if value == _MASKED:
        raise ValueError("a secret was masked before it was stored; use model_dump(), not mode='json'")
    return value
