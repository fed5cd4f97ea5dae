"""One training process as torchrun starts it: `python -m tasks.training_job.trainer_process MODULE ARGUMENT…`.

It runs the trainer's module and sees to it that the process ends with torchrun, that its last error reaches the job, and
that it shows where it stands when asked.
"""

import faulthandler
import runpy
import signal
import sys

from torch.distributed.elastic.multiprocessing.errors import record

from dataset.errors import InputError
from dataset.lifeline import die_with_parent

SHOW_STACKS = signal.SIGUSR2
"""Makes a training process write the stacks of its threads to the log."""


@record
def main() -> None:
    """Become the trainer."""
    die_with_parent()
    faulthandler.register(SHOW_STACKS, all_threads=True)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    try:
        main()
    except InputError:  # its sentence is on its way to the job; a traceback would only bury it
        sys.exit(1)
