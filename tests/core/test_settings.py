"""Settings come from environment and file; what is wrong is told once, clearly and without values."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from dagboek.settings import Settings, SettingsError, load_settings

SECRET = "hidden-word"


@pytest.fixture(autouse=True)
def clean_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith("DAGBOEK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    yield


def fault() -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    text = str(caught.value)
    assert SECRET not in text
    assert caught.value.__cause__ is None and (caught.value.__suppress_context__ or not caught.value.__context__)
    return text


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.kafka_bootstrap is None and settings.database_url is None
    assert settings.data_dir == tmp_path / "share" / "dagboek"
    assert (settings.topic_prefix, settings.partitions, settings.topic_replication) == ("dagboek", 48, 1)
    assert settings.log_level == "INFO" and settings.secret_keys == []
    assert list(tmp_path.iterdir()) == []  # reading settings makes no files


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagboek.toml").write_text(
        'partitions = 12\ntopic_prefix = "acme"\nlog_level = "debug"\n'
        '[kafka_security]\n"security.protocol" = "SASL_SSL"\n"sasl.mechanism" = "SCRAM-SHA-512"\n'
    )
    monkeypatch.setenv("DAGBOEK_PARTITIONS", "6")
    settings = load_settings()
    assert (settings.partitions, settings.topic_prefix, settings.log_level) == (6, "acme", "DEBUG")
    assert settings.kafka_security == {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}


def test_named_file_is_read_and_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "etc" / "settings.toml"
    monkeypatch.setenv("DAGBOEK_SETTINGS", str(elsewhere))
    assert str(elsewhere) in fault() and "DAGBOEK_SETTINGS" in fault()
    elsewhere.parent.mkdir()
    elsewhere.write_text("partitions = 7")
    assert load_settings().partitions == 7


@pytest.mark.parametrize("text", ["a=1;b=2", '{"a": "1", "b": "2"}', " a = 1 ; b = 2 ;"])
def test_security_properties_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DAGBOEK_KAFKA_SECURITY", text)
    assert load_settings().kafka_security == {"a": "1", "b": "2"}


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGBOEK_DATABASE_URL", f"postgresql+psycopg://user:{SECRET}@db.example:5432/books")
    monkeypatch.setenv("DAGBOEK_KAFKA_SECURITY", f"sasl.password={SECRET}")
    settings = load_settings()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == f"postgresql://user:{SECRET}@db.example:5432/books"
    assert SECRET not in repr(settings) and SECRET not in str(settings)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("DAGBOEK_DATABASE_URL", f"mysql://u:{SECRET}@h/x", "postgresql://"),
        ("DAGBOEK_DATABASE_URL", f"postgresql://u:{SECRET}%zz@h:port/x", "percent-encoded"),
        ("DAGBOEK_KAFKA_BOOTSTRAP", "broker", "host:port"),
        ("DAGBOEK_KAFKA_SECURITY", SECRET, "property=value"),
        ("DAGBOEK_KAFKA_SECURITY", "{" + SECRET, "JSON"),
        ("DAGBOEK_SECRET_KEYS", SECRET, "key 1 is not 32 bytes"),
        ("DAGBOEK_PARTITIONS", "many", "integer"),
        ("DAGBOEK_PARTITIONS", "0", "greater than or equal to 1"),
        ("DAGBOEK_TOPIC_PREFIX", "white space", "pattern"),
        ("DAGBOEK_LOG_LEVEL", "loud", "WARNING"),
        ("DAGBOEK_NIGHTLY", "at night", "01:00-05:00"),
        ("DAGBOEK_NIGHTLY", "25:00-05:00", "01:00-05:00"),
        ("DAGBOEK_NIGHTLY", "01:00-01:00", "another time"),
        ("DAGBOEK_TIME_ZONE", "Europe/Atlantis", "Europe/Brussels"),
        ("DAGBOEK_TIME_ZONE", "../etc", "Europe/Brussels"),
    ],
)
def test_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str) -> None:
    monkeypatch.setenv(variable, value)
    assert variable in fault() and says in fault()


def test_all_faults_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagboek.toml").write_text("partitions = 0\npartitons = 3\n")
    monkeypatch.setenv("DAGBOEK_LOG_LEVEL", "loud")
    text = fault()
    assert "DAGBOEK_LOG_LEVEL" in text
    assert "partitions in dagboek.toml" in text
    assert "did you mean partitions?" in text


def test_misspelt_variable_is_refused_others_are_not_ours_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGBOEK_SOMETHING_ELSE", "x")
    load_settings()
    monkeypatch.setenv("DAGBOEK_DATABSE_URL", SECRET)
    assert "did you mean DAGBOEK_DATABASE_URL?" in fault()


@pytest.mark.parametrize("content", [b"partitions = ", b"\xff\xfe\x00"])
def test_file_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dagboek.toml").write_bytes(content)
    assert "dagboek.toml" in fault()


def test_vault_key_is_made_once_for_the_owner_alone() -> None:
    settings = load_settings()
    (key,) = settings.vault_keys()
    file = settings.data_dir / "vault.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    Fernet(key.get_secret_value())
    assert load_settings().vault_keys() == [key]
    assert [path.name for path in settings.data_dir.iterdir()] == ["vault.key"]


def test_given_vault_keys_are_used_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    newest, older = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    monkeypatch.setenv("DAGBOEK_SECRET_KEYS", f"{newest}, {older}")
    settings = load_settings()
    assert [key.get_secret_value() for key in settings.vault_keys()] == [newest, older]
    assert not settings.data_dir.exists()


def test_vault_key_file_that_others_may_read_is_refused() -> None:
    settings = load_settings()
    settings.vault_keys()
    (settings.data_dir / "vault.key").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        settings.vault_keys()


@pytest.mark.parametrize(
    "content", ["", "no key\n", f"{Fernet.generate_key().decode()}\nrubbish\n"], ids=["empty", "none", "half"]
)
def test_spoilt_vault_key_file_is_never_replaced(content: str) -> None:
    settings = load_settings()
    settings.vault_keys()
    file = settings.data_dir / "vault.key"
    file.write_text(content)
    with pytest.raises(SettingsError, match="backup"):
        settings.vault_keys()
    assert file.read_text() == content


def test_folder_that_cannot_hold_the_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="DAGBOEK_DATA_DIR"):
        Settings(data_dir=tmp_path / "file").vault_keys()
