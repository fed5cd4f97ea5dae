"""The `render-ih` command. Exit codes: 0 done, 1 something was found to be wrong, 2 bad input or stopped."""

from flows.cli.assets import assets
from flows.cli.datasets import append, export, inspect, merge, subset, verify, view
from flows.cli.evaluate import evaluate
from flows.cli.operation import deploy
from flows.cli.prediction import export_network, predict
from flows.cli.prior import sample
from flows.cli.prior_fit import fit
from flows.cli.root import main
from flows.cli.runs import doctor, rerender, run
from flows.cli.serving import dashboard, server, worker
from flows.cli.training import train

DATASETS = (run, doctor, rerender, verify, inspect, view, export, merge, append, subset)
NETWORKS = (train, sample, fit, predict, evaluate, export_network)
COMMANDS = (*DATASETS, *NETWORKS, assets, dashboard, server, deploy, worker)
for command in COMMANDS:
    main.add_command(command)
