import logging

import pytest
from prefect.exceptions import FailedRun
from refusing import Pair, refusing

from dataset.errors import InputError
from flows.operation import refusals


def test_parameters_become_what_the_flow_takes():
    assert refusing.fn(pair={"low": 1, "high": 4}) == 3
    assert refusing.fn(Pair(high=2), most=2) == 2


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"pair": {"low": 3}}, "parameter pair: low is 3, above high; swap them"),
        ({"pair": {"middle": 3}}, "parameter pair: middle: unknown key (given: 3)"),
        ({"pair": {"high": 30}}, "the distance is more than 10; raise `most`"),
        ({"pair": {}, "most": "many"}, "parameter most: Input should be a valid integer"),
    ],
)
def test_outside_a_deployment_the_sentence_is_raised(parameters, sentence):
    with pytest.raises(InputError) as refused:
        refusing.fn(**parameters)
    assert sentence in str(refused.value)


def test_in_a_deployments_run_the_sentence_is_the_state(monkeypatch):
    monkeypatch.setattr(refusals, "_is_run_of_a_deployment", lambda: True)
    logger = logging.getLogger("prefect.flow_runs")
    monkeypatch.setattr(logger, "filters", [])
    state = refusing.fn(pair={"low": 3})
    assert state.is_failed()
    assert state.message == "parameter pair: low is 3, above high; swap them"
    shown = [logger.filter(_record(error)) for error in (FailedRun("x"), OSError("x"), None)]
    assert [bool(passed) for passed in shown] == [False, True, True]


def test_errors_of_the_program_are_never_hidden(monkeypatch):
    monkeypatch.setattr(refusals, "_is_run_of_a_deployment", lambda: True)

    @refusals.refuses_plainly
    def broken(number: int) -> int:
        return number // 0

    with pytest.raises(ZeroDivisionError):
        broken(1)


def _record(error: Exception | None) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("prefect.flow_runs", logging.ERROR, "", 0, "text", None, exc_info)
