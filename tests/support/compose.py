"""What is wrong with a compose file: every name in it that nothing answers to, in one sentence.

It is read as Compose reads it (YAML merges, variables), not as its schema has it: that is
`make check-deploy`. What no reading shows is whether an engine takes it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from dashboards.deliver.files import TOKEN_VARIABLE
from infra.cli.entry import run
from infra.settings_sources import ENVIRONMENT

ROOT: Final = Path(__file__).parents[2]
LONG_LIVED: Final = frozenset({"always", "unless-stopped"})
IMAGE_PORTS: Final = {"influxdb": {8086}, "grafana/grafana": {3000}}
"""What these images listen on; the others are told by files of ours."""
_VARIABLE: Final = re.compile(r"(?<!\$)\$\{(\w+)")
_ADDRESS: Final = re.compile(r"(?:^|@|//)([a-z][a-z0-9-]*):(\d+)\b")
_LOCAL: Final = re.compile(r"(?:localhost:|-p )(\d+)")
_SECRET: Final = re.compile(r"(PASSWORD|TOKEN|KEY)$")
_HEALTHY: Final = "service_healthy"
_DONE: Final = "service_completed_successfully"

Service = dict[str, Any]


@cache
def wrong_usage(*words: str) -> str | None:
    """What is wrong with the words behind ``qala``, which are not run; None where nothing is."""
    said = io.StringIO()
    # options and commands are looked at before help is given
    with redirect_stdout(said), redirect_stderr(said):
        code = run([*words, "--help"])
    return None if code == 0 else f"qala {' '.join(words)}: {said.getvalue()}"


def used_variables(text: str) -> set[str]:
    """Variables that ``.env`` has to have."""
    return set(_VARIABLE.findall(text))


def problems(text: str, env: Mapping[str, str]) -> list[str]:
    """Every fault of the compose file ``text`` with the ``.env`` of ``env``."""
    file = yaml.safe_load(text)
    services: dict[str, Service] = file["services"]
    found = [f"{name}: not in .env" for name in sorted(used_variables(text) - env.keys())]
    found += [f"{name}: in .env and unused" for name in sorted(env.keys() - used_variables(text))]
    for name, service in services.items():
        checks = (
            _image(service), _command(service), _variables(service), _secrets(service),
            _addresses(name, services), _ports(service), _health(service),
            _order(service, services), _places(service, file), _limits(service),
        )  # fmt: skip
        found += [f"{name}: {problem}" for check in checks for problem in check]
    for kind in ("volumes", "networks"):
        used = {entry for service in services.values() for entry in _named(service, kind)}
        found += [f"{kind}: {entry} is unused" for entry in sorted(set(file[kind]) - used)]
    return found


def is_ours(service: Service) -> bool:
    """Whether it runs our image."""
    return str(service["image"]).startswith("qala:")


def listens(service: Service) -> set[int]:
    """Ports on which a server's container takes connections from others."""
    image = service["image"].rpartition(":")[0]
    mounts = dict(reversed(volume.split(":")[:2]) for volume in service.get("volumes", ()))
    if image == "eclipse-mosquitto" and "/mosquitto/config/mosquitto.conf" in mounts:
        conf = ROOT / mounts["/mosquitto/config/mosquitto.conf"]
        text = conf.read_text() + conf.with_name("prepare.sh").read_text()
        return {int(port) for port in re.findall(r"(?m)^listener (\d+)$", text)}
    if image == "apache/kafka":
        listeners = (ROOT / mounts["/mnt/shared/config"] / "server.properties").read_text()
        return {int(port) for port in re.findall(r"PLAINTEXT://:(\d+)", listeners)}
    return IMAGE_PORTS.get(image, set())


def _image(service: Service) -> Iterator[str]:
    if not re.fullmatch(r"[a-z0-9./-]+:\d+\.\d+\.\d+", service["image"]):
        yield f"image {service['image']} has no full version"


def _command(service: Service) -> Iterator[str]:
    if is_ours(service):
        wrong = wrong_usage(*service["command"])
        if wrong is not None:
            yield f"command: {wrong}"


def _variables(service: Service) -> Iterator[str]:
    known = ENVIRONMENT.keys() if is_ours(service) else {TOKEN_VARIABLE}
    for name in service.get("environment", {}):
        if name.startswith("QALA_") and name not in known:
            yield f"{name} is no setting"


def _secrets(service: Service) -> Iterator[str]:
    for name, value in service.get("environment", {}).items():
        if _SECRET.search(name) and not str(value).startswith("${"):
            yield f"{name} stands in the file"


def _addresses(name: str, services: Mapping[str, Service]) -> Iterator[str]:
    service = services[name]
    for variable, value in service.get("environment", {}).items():
        if not variable.startswith("QALA_"):
            continue
        for host, port in _ADDRESS.findall(str(value)):
            other = services.get(host)
            if other is None or int(port) not in listens(other):
                yield f"{variable}: nothing listens on {host}:{port}"
            elif "network_mode" not in service and not _share_a_network(service, other):
                yield f"{variable}: {host} is on no network of its"


def _share_a_network(one: Service, other: Service) -> bool:
    return bool(set(one["networks"]) & set(other["networks"]))


def _ports(service: Service) -> Iterator[str]:
    for published in service.get("ports", ()):
        address, _, port = published.rpartition(":")
        if not address.startswith(("127.0.0.1:", "${MQTT_TLS_ADDRESS:-127.0.0.1}:")):
            yield f"{published} is not bound to loopback"
        if int(port) not in listens(service):
            yield f"{published}: nothing listens on {port}"


def _health(service: Service) -> Iterator[str]:
    if service["restart"] not in LONG_LIVED or is_ours(service):
        return
    if "healthcheck" not in service:
        yield "no health check"
        return
    said = " ".join(service["healthcheck"]["test"])
    asked = {int(port) for port in _LOCAL.findall(said)}
    if not asked or not asked <= listens(service):
        yield f"its health check asks port {sorted(asked)}"


def _order(service: Service, services: Mapping[str, Service]) -> Iterator[str]:
    for name, needed in service.get("depends_on", {}).items():
        other = services.get(name)
        if other is None:
            yield f"waits for {name}, which is no service"
        elif needed["condition"] == _HEALTHY and "test" not in other.get("healthcheck", {}):
            yield f"waits for the health of {name}, which has no check"
        elif needed["condition"] == _DONE and other["restart"] in LONG_LIVED:
            yield f"waits for the end of {name}, which never ends"


def _named(service: Service, kind: str) -> Iterator[str]:
    """Volumes or networks that it uses by name."""
    for entry in service.get(kind, ()):
        name = entry.split(":")[0]
        if not name.startswith((".", "/")):
            yield name


def _places(service: Service, file: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("volumes", "networks"):
        for name in _named(service, kind):
            if name not in file[kind]:
                yield f"{name} is not among the {kind}"
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith(".") and not (ROOT / source).exists():
            yield f"{source} does not exist"
    if "networks" not in service and service.get("network_mode") != "none":
        yield "is on the default network, with everything"


def _limits(service: Service) -> Iterator[str]:
    once = service["restart"] not in LONG_LIVED
    for key in ("logging", "security_opt", *(() if once else ("mem_limit", "stop_grace_period"))):
        if key not in service:
            yield f"no {key}"
