"""What can be known of the image, the compose file and the CI script without a Docker engine."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from dagboek.embedded.jars import KAFKA_VERSION
from dagboek.embedded.postgres import MAJOR_VERSION
from dagboek.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GIVEN = {
    "POSTGRES_PASSWORD": "0123456789abcdef",
    "DAGBOEK_SECRET_KEYS": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
}


def substituted(text: str) -> str:
    """As Compose does: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`."""
    return re.sub(
        r"\$\{(\w+)(?::[?-]([^}]*))?\}", lambda found: GIVEN.get(found.group(1)) or found.group(2) or "", text
    )


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (DEPLOY / "compose.yaml").read_text()
    yaml.safe_load(text)  # Compose parses before it substitutes
    content = yaml.safe_load(substituted(text))
    assert isinstance(content, dict)
    return content


def test_nothing_starts_without_its_secrets() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    for name in GIVEN:
        assert re.findall(rf"\$\{{{name}[^}}]*\}}", text)
        assert all(":?" in use for use in re.findall(rf"\$\{{{name}[^}}]*\}}", text))


def test_servers_are_those_that_the_embedded_ones_are(compose: dict[str, Any]) -> None:
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert compose["services"]["postgres"]["image"] == f"postgres:{MAJOR_VERSION}"


def test_settings_of_every_service_can_be_loaded(compose: dict[str, Any]) -> None:
    for name in ("core", "web", "worker-1", "worker-2", "migrate"):
        environment = compose["services"][name]["environment"]
        values = {key.removeprefix("DAGBOEK_").lower(): value for key, value in environment.items()}
        settings = Settings(**values)
        assert settings.kafka_bootstrap == "kafka:9092"
        assert settings.database_url is not None and len(settings.vault_keys()) == 1
    assert compose["services"]["sandbox"]["environment"] == {}  # it needs no secret


def test_services_wait_for_what_they_need(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for needed, condition in service.get("depends_on", {}).items():
            assert needed in services
            if condition["condition"] == "service_healthy":
                assert services[needed]["healthcheck"]["test"][0] == "CMD", name
    for name in ("core", "web", "worker-1", "worker-2"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert set(services["migrate"]["depends_on"]) == {"kafka", "postgres"}


def test_each_worker_has_a_slot_of_its_own(compose: dict[str, Any]) -> None:
    commands = [service["command"] for service in compose["services"].values() if "command" in service]
    slots = [command[command.index("--slot") + 1] for command in commands if command[0] == "worker"]
    assert len(slots) == len(set(slots)) == 2


def test_commands_and_their_options_are_known(compose: dict[str, Any]) -> None:
    from dagboek.cli.main import application

    commands = typer.main.get_command(application())
    assert isinstance(commands, typer.core.TyperGroup)
    for name in ("migrate", "core", "web", "worker-1", "worker-2", "sandbox"):
        command, *arguments = compose["services"][name]["command"]
        commands.commands[command].make_context(command, arguments)  # reads the arguments, runs nothing


def test_volumes_are_declared_and_ports_are_not_open_to_the_world(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in compose["volumes"]
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")


def test_image_holds_every_distribution_and_runs_without_rights() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    copied = re.findall(r"^COPY (\S+) \S+$", text, re.MULTILINE)
    assert {member.split("/")[0] for member in workspace} <= set(copied)
    let_through = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(let_through)
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert users and users[-1] not in ("root", "0")
    assert 'ENTRYPOINT ["dagboek"]' in text


def test_readme_names_every_setting() -> None:
    text = (DEPLOY / "README.md").read_text()
    for name in Settings.model_fields:
        assert f"`DAGBOEK_{name.upper()}`" in text


def test_ci_script_is_sound_and_pre_commit_fetches_nothing() -> None:
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
    script = (ROOT / ".ci" / "run").read_text()
    for hook in hooks["repos"][0]["hooks"]:
        assert hook["entry"].removesuffix(" --force-exclude") in script
