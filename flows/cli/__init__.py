"""The `render-ih` command. Exit codes: 0 done, 1 something was found to be wrong, 2 bad input or stopped."""

from flows.cli.assets import assets
from flows.cli.datasets import append, export, inspect, merge, subset, verify, view
from flows.cli.root import main
from flows.cli.runs import doctor, rerender, run
from flows.cli.training import train

COMMANDS = (run, doctor, rerender, verify, inspect, view, export, merge, append, subset, train, assets)
for command in COMMANDS:
    main.add_command(command)
