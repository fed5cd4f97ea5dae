"""Which devices workers are started for, and what each of them sees."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from dataset.errors import InputError
from flows.operation.device_worker import DeviceWorker, only_on_this_node
from flows.operation.node_devices import chosen_devices, device_environment, device_name, gpus


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node whose nvidia-smi answers as it is told."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def install(output: str, status: int = 0) -> None:
        program = Path(tmp_path) / "nvidia-smi"
        program.write_text(f"#!/bin/sh\nprintf '{output}'\nexit {status}\n")
        program.chmod(0o755)

    return install


def test_each_gpu_is_a_device(node):
    node("0\\n1\\n")
    assert chosen_devices("auto") == ("0", "1") and chosen_devices("1") == ("1",) and chosen_devices("cpu") == ("cpu",)
    with pytest.raises(InputError, match="GPU 2 is not here; this node's GPUs: 0, 1"):
        chosen_devices("0,2")


def test_without_a_gpu_the_processor_is_the_device(node):
    node("No devices were found\\n")
    assert chosen_devices("auto") == ("cpu",)
    node("NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.\\n", 9)
    assert chosen_devices("auto") == ("cpu",)


def test_a_scheduler_s_choice_is_kept(node, monkeypatch):
    node("0\\n1\\n2\\n3\\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert chosen_devices("auto") == ("2", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == () and chosen_devices("auto") == ("cpu",)


@pytest.mark.parametrize("wanted", ["", "gpu", "0;1", "-1", "cpu,0", "0,0"])
def test_strange_devices_are_refused(node, wanted):
    node("0\\n1\\n")
    with pytest.raises(InputError, match="--device"):
        chosen_devices(wanted)


def test_a_worker_sees_its_own_device_alone(monkeypatch):
    monkeypatch.setenv("PREFECT_WORKER_QUERY_SECONDS", "5")
    monkeypatch.delenv("PREFECT_WORKER_WEBSERVER_HOST", raising=False)
    worker = DeviceWorker("http://there/api", "gpu", "1", "node-gpu1", 8081)
    seen = worker.environment()
    assert seen["CUDA_VISIBLE_DEVICES"] == "1" and seen["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert seen["PREFECT_WORKER_QUERY_SECONDS"] == "5" and seen["PREFECT_API_URL"] == "http://there/api"
    assert seen["PREFECT_WORKER_WEBSERVER_HOST"] == "127.0.0.1" and seen["PREFECT_WORKER_WEBSERVER_PORT"] == "8081"
    assert device_environment("cpu")["CUDA_VISIBLE_DEVICES"] == ""
    assert device_name("0") == "gpu0" and device_name("MIG-1/2") == "MIG-1/2"


def test_a_name_is_taken_once_on_a_node():
    one = DeviceWorker("http://there/api", "gpu", "0", "node-gpu0")
    other = DeviceWorker("http://there/api", "gpu", "0", "second-gpu0")
    with only_on_this_node(one), only_on_this_node(other), pytest.raises(InputError, match="another --name"):
        only_on_this_node(one).__enter__()
    with only_on_this_node(one):
        pass


def test_a_worker_that_dies_again_and_again_is_started_less_and_less_often():
    worker = DeviceWorker("http://there/api", "gpu", "0", "node-gpu0")
    assert worker.is_due() and worker.death() is None
    pauses = []
    for _ in range(8):
        worker.popen, worker.started = subprocess.Popen(["false"]), time.monotonic()
        worker.popen.wait()
        assert worker.death() == 1 and worker.death() is None and not worker.is_due()
        pauses.append(worker.pause)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    worker.popen, worker.started = subprocess.Popen(["false"]), time.monotonic() - 3600
    worker.popen.wait()
    assert worker.death() == 1 and worker.pause == 1
