"""The rules by which a training job tells failures apart, answers them, and knows that a trainer lives."""

from dataclasses import replace

import pytest

from dataset.errors import InputError
from tasks.training_job import devices, tries
from tasks.training_job.failures import Failed, TrainingError, TrainingFailure, diagnose
from tasks.training_job.log import LINES, Log
from tasks.training_job.supervisor import Pulse
from tasks.training_job.tries import Try, next_try

REPORT = ["exitcode  : -15 (pid: 7) (SIGTERM)", "exitcode  : -11 (pid: 8) (SIGSEGV)"]
PEER = "RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:57759. This is typically"
ECC = "CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors might be asynchronously reported"


@pytest.mark.parametrize(
    ("errors", "lines", "starved", "failure", "detail"),
    [
        ([PEER, "OutOfMemoryError: CUDA out of memory. Tried"], [], False, "OUT_OF_MEMORY", "OutOfMemoryError: CUDA out"),
        ([PEER], ["exitcode  : -9 (pid: 8) (SIGKILL)"], True, "OUT_OF_MEMORY", "the kernel killed a training process"),
        ([PEER], ["exitcode  : -9 (pid: 8) (SIGKILL)"], False, "CRASH", "a training process ended by SIGKILL"),
        ([PEER], REPORT, False, "CRASH", "a training process ended by SIGSEGV"),
        ([PEER], REPORT[:1], False, "LOST_DEVICE", "RuntimeError: [gloo"),
        ([PEER, f"AcceleratorError: {ECC}"], REPORT[:1], False, "LOST_DEVICE", "AcceleratorError: CUDA error: uncorrect"),
        ([PEER], ["watchdog: " + ECC.split("\n")[0], "exitcode  : -6 (pid: 8)"], False, "LOST_DEVICE", "watchdog: CUDA er"),
        ([PEER, "KeyError: 'pose'"], REPORT[:1], False, "TRAINER_ERROR", "KeyError: 'pose'"),
        (["InputError: width is 7"], ["exitcode  : 1 (pid: 7)"], False, "BAD_INPUT", "width is 7"),
        ([], ["no such option", "E1 torch/distributed/elastic/api.py] failed (exitcode: 3)", "exitcode  : 3 (pid: 7)"],
         False, "TRAINER_ERROR", "exit status 3; its last line was: no such option"),
    ],
)  # fmt: skip
def test_failures_are_told_apart(errors, lines, starved, failure, detail):
    found = diagnose(errors, lines, starved)
    assert found.failure is TrainingFailure[failure] and found.detail.startswith(detail)


MEMORY, LOST = Failed(TrainingFailure.OUT_OF_MEMORY, "full"), Failed(TrainingFailure.LOST_DEVICE, "gone")
STALLED, CRASH = Failed(TrainingFailure.STALLED, "quiet"), Failed(TrainingFailure.CRASH, "SIGSEGV")


def test_each_failure_has_its_answer(monkeypatch):
    monkeypatch.setattr(tries, "fewer_devices", lambda devices: devices[:-1])
    four = Try(("0", "1", "2", "3"))
    assert next_try(replace(four, batch_scale=0.5), [MEMORY, MEMORY], 3) == replace(four, batch_scale=0.25)
    assert next_try(four, [LOST], 3) == four
    assert next_try(four, [LOST, LOST], 3) == Try(("0", "1", "2"))
    assert next_try(four, [STALLED], 3) == next_try(four, [STALLED, CRASH], 3) == four
    with pytest.raises(InputError, match="width is 7"):
        next_try(four, [Failed(TrainingFailure.BAD_INPUT, "width is 7")], 3)
    with pytest.raises(TrainingError, match="stalled, the same twice: quiet"):
        next_try(four, [STALLED, MEMORY, STALLED], 5)
    with pytest.raises(TrainingError, match="given up after 2 attempts: out of memory: full"):
        next_try(four, [MEMORY, MEMORY], 1)
    with pytest.raises(TrainingError, match="given up after 1 attempt: crash: SIGSEGV"):
        next_try(four, [CRASH], 0)


def test_devices_that_do_not_answer_are_left_out(monkeypatch):
    monkeypatch.setattr(devices, "_answers", lambda device: device != "1")
    assert devices.fewer_devices(("0", "1", "2")) == ("0", "2")
    assert devices.fewer_devices(("0", "2")) == ("0",)
    assert devices.fewer_devices(("1",)) == ("1",)


def test_devices_are_those_that_cuda_shows(monkeypatch):
    monkeypatch.setattr(devices.torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.training_devices(0) == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 3")
    assert devices.training_devices(0) == ("5", "3") and devices.training_devices(1) == ("5",)
    assert devices.device_environment(("5", "3")) == {"CUDA_VISIBLE_DEVICES": "5,3"}
    with pytest.raises(InputError, match="3 training processes need as many GPUs, and 2 can be seen"):
        devices.training_devices(3)
    monkeypatch.setattr(devices.torch.cuda, "device_count", lambda: 0)
    assert devices.training_devices(0) == ("cpu",) and devices.training_devices(2) == ("cpu", "cpu")
    assert devices.device_environment(("cpu",)) == {}


class Busy:
    """A process with the processor time that a test gives it."""

    seconds = 0.0

    def cpu_seconds(self) -> float:
        return self.seconds


def test_a_heartbeat_takes_the_place_of_processor_time(monkeypatch, tmp_path):
    now = 100.0
    monkeypatch.setattr("tasks.training_job.supervisor.time.monotonic", lambda: now)
    busy, pulse = Busy(), Pulse(tmp_path / "heartbeat")
    now, busy.seconds = 110.0, 5.0
    assert pulse.silence(busy) == 0
    now, busy.seconds = 120.0, 5.1
    assert pulse.silence(busy) == 10, "a hundredth of a core is nothing"
    pulse.line()
    assert pulse.silence(busy) == 0
    (tmp_path / "heartbeat").touch()
    now = 130.0
    assert pulse.silence(busy) == 0
    now, busy.seconds = 140.0, 15.0
    assert pulse.silence(busy) == 10, "who keeps a heartbeat may wait busily in vain"


def test_too_many_lines_are_counted(tmp_path):
    told: list[str] = []
    log = Log(tmp_path / "training.log", told.append)
    log.lines(f"line {number}" for number in range(LINES + 7))
    log.say("a sentence of the job")
    log.flush()
    assert told[:LINES] == [f"line {number}" for number in range(LINES)]
    assert told[LINES:] == ["a sentence of the job", f"(7 lines more in {tmp_path / 'training.log'})"]
    assert log.last[-1] == f"line {LINES + 6}"
