"""Nothing that was started outlives the process that started it, however either ends."""

import signal
import subprocess
import sys

import psutil

from tests.operation_servers import ROOT


def run(code: str) -> subprocess.Popen:
    code = f"import os, subprocess, sys, time; from flows.operation import processes\n{code}"
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_started_process_dies_with_a_parent_that_is_killed():
    with run("print(processes.start(['sleep', '60'], dict(os.environ)).pid, flush=True); time.sleep(60)") as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running() and child.parent().pid == parent.pid
        parent.send_signal(signal.SIGKILL)
        child.wait(10)


def test_orphans_are_adopted_and_killed():
    code = """
processes.adopt_orphans()
middle = subprocess.Popen(['sh', '-c', 'sleep 60 > /dev/null & echo $!'], stdout=subprocess.PIPE, text=True)
orphan = int(middle.stdout.readline())
middle.wait()
assert [child.pid for child in processes.children_below()[os.getpid()]] == [orphan]
processes.kill_all_below()
processes.bury(set())
assert not processes.children_below()
print(orphan)
"""
    with run(code) as parent:
        said, _ = parent.communicate(timeout=60)
    assert parent.returncode == 0 and not psutil.pid_exists(int(said))
