"""What starts the images: Compose, Kubernetes and systemd. Structure alone, nothing of it can be started here."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows.operation.worker import ALL_END_S
from tests.operations.image_files import DOCKER, parses

KUBERNETES = DOCKER / "kubernetes"
UNIT = DOCKER / "systemd" / "render-ih-worker@.service"
OWN = {"render-ih-server": "server.Dockerfile", "render-ih-worker": "worker.Dockerfile"}
OFFICIAL = {"postgres:15", "redis:7"}


def objects(file: Path) -> list[dict]:
    """The Kubernetes objects of a file, those of lists by themselves."""
    return [one for whole in yaml.safe_load_all(file.read_text()) for one in whole.get("items", [whole])]


def manifests() -> list[dict]:
    """All objects, and the secrets of the example."""
    own = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    return [one for name in (*own, "secret.yaml.example") for one in objects(KUBERNETES / name)]


def pods() -> list[tuple[str, dict]]:
    """Every pod's description, with the name of what makes it."""
    made = [one for one in manifests() if one["kind"] in ("Deployment", "StatefulSet", "Job")]
    return [(one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in made]


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_compose_refers_to_what_is_there(compose):
    assert compose.keys() == {"name", "x-worker", "services", "networks", "volumes"}
    for name, service in compose["services"].items():
        if "build" in service:
            assert OWN[service["image"]] == Path(service["build"]["dockerfile"]).name
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        else:
            assert service["image"] in OFFICIAL, name
        assert all((DOCKER / f"{file}.example").is_file() for file in service.get("env_file", []))
        assert service.get("depends_on", {}).keys() <= compose["services"].keys()
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= compose["volumes"].keys()
        assert set(service.get("networks", [])) <= compose["networks"].keys()


def test_compose_starts_commands_that_there_are_and_lets_workers_end(compose):
    workers = {name: one for name, one in compose["services"].items() if one["image"] == "render-ih-worker"}
    assert workers.keys() == {"deploy", "control", "gpu", "cpu"}
    for service in workers.values():
        assert parses(service["command"])
        assert int(service["stop_grace_period"].removesuffix("s")) > ALL_END_S


def test_compose_opens_the_server_on_loopback_alone_and_gives_gpus_to_one(compose):
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert ports == {"server": ["127.0.0.1:4200:4200"]}
    assert compose["networks"]["database"] == {"internal": True}
    with_devices = [name for name, service in compose["services"].items() if "deploy" in service]
    assert with_devices == ["gpu"]
    (device,) = compose["services"]["gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    own = [service for service in compose["services"].values() if service["image"] in OWN]
    assert all(service["cap_drop"] == ["ALL"] and "privileged" not in service for service in own)


def test_kubernetes_objects_fit_their_schema():
    schemas = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed: no schemas here")
    found = manifests()
    assert {"Namespace", "NetworkPolicy", "StatefulSet", "Service", "Deployment", "Job", "Secret"} <= {
        one["kind"] for one in found
    }
    for one in found:
        schemas.validate(one, schemas.latest_version(), strict=True)
    with pytest.raises(schemas.ValidationError):
        schemas.validate(found[-1] | {"data": 1}, schemas.latest_version(), strict=True)


def test_kustomization_names_every_file_and_image():
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    files = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files
    assert {image["name"] for image in kustomization["images"]} == OWN.keys()
    used = {container["image"] for _, pod in pods() for container in pod["containers"]}
    assert used <= OWN.keys() | OFFICIAL


@pytest.mark.parametrize(("name", "pod"), pods(), ids=lambda value: value if isinstance(value, str) else "")
def test_no_pod_is_root_or_can_speak_to_the_cluster(name, pod):
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys() and container["resources"]["limits"]["memory"]
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod.get("volumes", [])} or name == "postgres"


def test_workers_in_pods_have_commands_that_there_are_time_to_end_and_one_gpu():
    workers = {name: pod for name, pod in pods() if pod["containers"][0]["image"] == "render-ih-worker"}
    assert workers.keys() == {"deploy", "control", "gpu"}
    for name, pod in workers.items():
        assert parses(pod["containers"][0]["args"])
        assert "livenessProbe" not in pod["containers"][0]
        assert name == "deploy" or pod["terminationGracePeriodSeconds"] > ALL_END_S
    assert workers["gpu"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_secrets_that_pods_ask_for_are_in_the_example_which_holds_none():
    secrets = {one["metadata"]["name"]: one["stringData"] for one in manifests() if one["kind"] == "Secret"}
    assert not any(value for data in secrets.values() for value in data.values())
    asked = 0
    for _, pod in pods():
        for variable in pod["containers"][0].get("env", []):
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                assert reference["key"] in secrets[reference["name"]]
                asked += 1
        for source in pod["containers"][0].get("envFrom", []):
            assert "secretRef" not in source or source["secretRef"]["name"] in secrets
    assert asked == 3


def test_policies_choose_pods_that_there_are():
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in manifests() if "template" in one.get("spec", {})]
    policies = [one["spec"] for one in manifests() if one["kind"] == "NetworkPolicy"]
    selectors = [policy["podSelector"] for policy in policies]
    selectors += [
        peer["podSelector"] for policy in policies for rule in policy.get("ingress", []) for peer in rule["from"]
    ]
    services = [one["spec"]["selector"] for one in manifests() if one["kind"] == "Service"]
    for wanted in [*(selector.get("matchLabels", {}) for selector in selectors), *services]:
        assert any(wanted.items() <= there.items() for there in labels), wanted
    assert {"podSelector": {}, "policyTypes": ["Ingress"]} in policies, "nobody comes in who is not named"


def unit() -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str
    read.read(UNIT)
    return read


def test_systemd_tells_the_supervisor_alone_and_waits_for_it():
    service = unit()["Service"]
    assert service["KillMode"] == "mixed", (
        "by default every process gets SIGTERM, and Prefect's workers kill their runs"
    )
    assert service["KillSignal"] == "SIGTERM" and float(service["TimeoutStopSec"]) > ALL_END_S
    assert service["User"] == "render-ih" and service["Restart"] == "always" and service["OOMPolicy"] == "continue"
    program, *words = service["ExecStart"].replace("%i", "gpu").split()
    assert Path(program).name == "render-ih" and parses(words)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_every_line(tmp_path):
    service = unit()["Service"]
    text = UNIT.read_text().replace(service["ExecStart"].split()[0], sys.executable)
    copy = tmp_path / "render-ih-worker@gpu.service"
    copy.write_text(text)
    answer = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert answer.returncode == 0 and not answer.stderr, answer.stderr
