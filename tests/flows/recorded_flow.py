"""A flow of two steps that a test can let fail or kill; as a command it is run the way `render-ih` runs its own.

python -m tests.flows.recorded_flow well|badly|forever
"""

import sys
import time

from prefect import flow

from dataset.errors import InputError
from tasks.recording.run_flow import run_flow
from tasks.step import step


@step
def count(number: int) -> int:
    """Takes a moment."""
    time.sleep(0.01)
    return number + 1


@step
def judge(how: str) -> str:
    """Goes well, fails, or never ends."""
    if how == "badly":
        raise InputError("the hand has six fingers; give one of them back")
    while how == "forever":
        sys.stdout.write("waiting\n")
        sys.stdout.flush()
        time.sleep(60)
    return how


@flow(name="toy")
def toy(how: str, number: int = 1) -> str:
    """Two counts and a judgement."""
    count(count(number))
    return judge(how)


if __name__ == "__main__":
    try:
        run_flow(toy, None, sys.argv[1])
    except InputError as error:
        sys.exit(f"error: {error}")
