"""Credentials at rest: only the right key opens them, and keys can be changed."""

import stat
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from dagboek.settings import Settings
from dagboek.vault import Vault, VaultError, new_key, vault_for
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

KEY = new_key()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text().filter(lambda text: text != "*" * 10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class ToolSettings(BaseModel):
    user: str
    password: SecretStr
    since: date = date(2026, 1, 1)
    limit: Decimal = Decimal("1.50")


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_what_goes_in_comes_out(values: dict[str, object]) -> None:
    vault = Vault([KEY])
    assert vault.decrypt(vault.encrypt(values)) == values


def test_secrets_are_kept_and_not_readable_in_the_token() -> None:
    vault = Vault([new_key()])
    token = vault.encrypt(ToolSettings(user="an", password=SecretStr("maple syrup")).model_dump())
    assert b"maple" not in token
    opened = vault.decrypt(token)
    assert opened == {"user": "an", "password": "maple syrup", "since": "2026-01-01", "limit": "1.50"}
    assert ToolSettings.model_validate(opened).password.get_secret_value() == "maple syrup"


def test_a_masked_secret_is_refused_rather_than_stored() -> None:
    masked = ToolSettings(user="an", password=SecretStr("maple syrup")).model_dump(mode="json")
    with pytest.raises(ValueError, match="masked"):
        Vault([new_key()]).encrypt({"tool": masked})


def test_something_unknown_is_refused() -> None:
    with pytest.raises(TypeError, match="object cannot be stored"):
        Vault([new_key()]).encrypt({"what": object()})


def test_rotation_lets_the_old_key_go() -> None:
    old, new = new_key(), new_key()
    token = Vault([old]).encrypt({"token": "t1"})
    both = Vault([new, old])
    assert both.decrypt(token) == {"token": "t1"}
    rotated = both.rotate(token)
    assert Vault([new]).decrypt(rotated) == {"token": "t1"}
    with pytest.raises(VaultError):
        Vault([old]).decrypt(rotated)


@pytest.mark.parametrize("act", ["decrypt", "rotate"])
def test_the_wrong_key_names_the_setting(act: str) -> None:
    token = Vault([new_key()]).encrypt({"token": "t1"})
    with pytest.raises(VaultError, match=r"DAGBOEK_SECRET_KEYS.*connect the integration again"):
        getattr(Vault([new_key()]), act)(token)


@pytest.mark.parametrize("keys", [[], ["short"], ["é" * 44], [new_key(), ""]])
def test_keys_that_are_none_are_named(keys: list[str]) -> None:
    with pytest.raises(VaultError, match="DAGBOEK_SECRET_KEYS"):
        Vault(keys)


def test_the_key_file_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    token = vault_for(settings).encrypt({"a": 1})
    file = tmp_path / "new" / "vault.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert vault_for(settings).decrypt(token) == {"a": 1}
    file.write_text(new_key())
    with pytest.raises(VaultError, match=r"vault\.key"):
        vault_for(settings).decrypt(token)


def test_keys_of_the_settings_win_over_the_file(tmp_path: Path) -> None:
    key = new_key()
    token = vault_for(Settings(data_dir=tmp_path, secret_keys=[SecretStr(key)])).encrypt({"a": 1})
    assert Vault([key]).decrypt(token) == {"a": 1}
    assert not (tmp_path / "vault.key").exists()
