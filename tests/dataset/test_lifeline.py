"""A program tied to the process that starts it is that program, and ends with the process."""

import os
import subprocess
import sys

import psutil

from dataset import lifeline
from dataset.lifeline import tied
from tests.operation_servers import ROOT

STARTS = "import subprocess, sys; from dataset.lifeline import tied; started = subprocess.Popen(tied(['sleep', '60']))"


def test_it_is_the_program_with_its_words_surroundings_and_process(tmp_path):
    told = "import os, sys; print(os.getpid(), os.getppid(), sys.argv[1:], os.environ['WORD'], os.getcwd())"
    command = tied([sys.executable, "-c", told, "-x", "two words", ""])
    process = subprocess.Popen(command, env={"WORD": "kept"}, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate(timeout=60)
    assert said == f"{process.pid} {os.getpid()} ['-x', 'two words', ''] kept {tmp_path}\n"
    assert subprocess.run(tied([sys.executable, "-c", "raise SystemExit(7)"]), check=False).returncode == 7


def test_it_dies_with_the_process_that_started_it():
    code = f"{STARTS}; print(started.pid, flush=True); sys.stdin.read()"
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True, **streams) as parent:
        program = psutil.Process(int(parent.stdout.readline()))
        assert program.is_running() and program.ppid() == parent.pid
        parent.kill()
        program.wait(10)


def test_it_does_not_start_when_that_process_is_gone_already(tmp_path):
    command = [sys.executable, lifeline.__file__, "1", "touch", str(tmp_path / "started")]
    assert os.getpid() != 1 and subprocess.run(command, check=False).returncode == 1
    assert not any(tmp_path.iterdir())


def test_what_is_no_program_ends_with_a_word():
    ended = subprocess.run(tied(["no-such-program"]), stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode and "no-such-program" in ended.stderr
