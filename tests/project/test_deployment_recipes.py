"""The files of the deployment recipes fit the application on the page, and each other."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.deployment_recipes import kubernetes_container, printed, server_command, shell_settings, unit_option

from ory_guard import GuardSettings

COMPOSE = yaml.safe_load(printed("compose.yaml"))
MANIFESTS = list(yaml.safe_load_all(printed("shop.yaml")))
POD = MANIFESTS[0]["spec"]["template"]["spec"]
CONTAINER = kubernetes_container()
ROUTES = set(re.findall(r'@app\.\w+\("([^"]+)"\)', printed("shop.py")))
READ = set(re.findall(r'os\.environ\["(\w+)"\]', printed("shop.py")))
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")

KUBERNETES_ENVIRONMENT = {one["name"]: one.get("value", "") for one in CONTAINER["env"]}
COMPOSE_ENVIRONMENT: dict[str, str] = COMPOSE["services"]["shop"]["environment"]


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(shell_settings(), id="shell"),
        pytest.param(COMPOSE_ENVIRONMENT, id="compose"),
        pytest.param(KUBERNETES_ENVIRONMENT, id="kubernetes"),
    ],
)
def test_environment_is_valid(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard accepts its settings, the health check is exempt, and the application reads all other variables."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert GuardSettings.from_env().exempt_paths == ("/health",)
    assert "/health" in ROUTES
    assert {name for name in environment if not name.startswith("ORY_GUARD_")} == READ


@pytest.mark.parametrize(
    ("variant", "server", "changes"),
    [
        ("systemd", "gunicorn", {}),
        ("docker", "gunicorn", {"127.0.0.1:8000": "0.0.0.0:8000"}),
        ("kubernetes", "uvicorn", {"127.0.0.1": "0.0.0.0"}),
    ],
)
def test_variant_is_the_command_of_the_server(variant: str, server: str, changes: dict[str, str]) -> None:
    """With another address; containers have their heartbeat files in memory, and Kubernetes starts the workers."""
    allowed = ["--worker-tmp-dir", "/dev/shm"] if variant == "docker" else []
    expected = " ".join([changes.get(word, word) for word in server_command(server)] + allowed)
    if variant == "kubernetes":
        expected = expected.replace(" --workers 4", "")

    assert " ".join(server_command(variant)) == expected


def test_compose_file_is_consistent() -> None:
    services: dict[str, Any] = COMPOSE["services"]
    hosts = re.findall(r"//([a-z]+):(\d+)", " ".join(COMPOSE_ENVIRONMENT.values()))
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    named = {volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", ())}

    assert hosts == [("kratos", "4433"), ("redis", "6379")]
    assert {host for host, _ in hosts} <= set(services)
    assert published == {"shop": ["127.0.0.1:8000:8000"], "kratos": ["127.0.0.1:4433:4433"]}
    assert {name for name in named if not name.startswith(".")} == set(COMPOSE["volumes"])
    for service in services.values():
        for name, on in service.get("depends_on", {}).items():
            assert on["condition"] != "service_healthy" or "healthcheck" in services[name]
    assert f"'http://127.0.0.1:8000{COMPOSE_ENVIRONMENT['ORY_GUARD_EXEMPT_PATHS']}'" in str(
        services["shop"]["healthcheck"]["test"]
    )


def test_manifests_are_consistent() -> None:
    """The service and the budget select the pods, and each probe is a public route on the port of the server."""
    labels = MANIFESTS[0]["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    words = server_command("kubernetes")

    assert [one["kind"] for one in MANIFESTS] == ["Deployment", "Service", "PodDisruptionBudget"]
    assert MANIFESTS[0]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS[1]["spec"]["selector"] == labels
    assert MANIFESTS[2]["spec"]["selector"]["matchLabels"] == labels
    assert [port["targetPort"] for port in MANIFESTS[1]["spec"]["ports"]] == list(ports)
    assert list(ports.values()) == [int(words[words.index("--port") + 1])]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert CONTAINER[probe]["httpGet"] == {"path": "/health", "port": "http"}


@pytest.mark.parametrize(
    ("variant", "option", "delay", "limit"),
    [
        pytest.param(
            "kubernetes",
            "--timeout-graceful-shutdown",
            int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1]),
            POD["terminationGracePeriodSeconds"],
            id="kubernetes",
        ),
        pytest.param("systemd", "--graceful-timeout", 0, int(unit_option("TimeoutStopSec")), id="systemd"),
        pytest.param(
            "docker",
            "--graceful-timeout",
            0,
            int(COMPOSE["services"]["shop"]["stop_grace_period"].removesuffix("s")),
            id="compose",
        ),
    ],
)
def test_server_can_stop_before_it_is_killed(variant: str, option: str, delay: int, limit: int) -> None:
    words = server_command(variant)

    assert delay + int(words[words.index(option) + 1]) < limit


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="systemd-analyze is not installed (Debian package systemd)")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """With the path of an existing program."""
    unit = tmp_path / "shop.service"
    unit.write_text(printed("shop.service").replace("/srv/shop/.venv/bin/gunicorn", sys.executable))
    command = [str(SYSTEMD_ANALYZE), "verify", "--man=no", "--recursive-errors=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert [line for line in done.stderr.splitlines() if "shop.service" in line] == []
    assert done.returncode == 0, done.stderr
