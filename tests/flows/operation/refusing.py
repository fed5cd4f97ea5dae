"""A flow of the tests: what its parameters may be, no JSON schema can say."""

from prefect import flow
from pydantic import BaseModel, ConfigDict, model_validator

from dataset.errors import InputError
from flows.operation.refusals import refuses_plainly


class Pair(BaseModel):
    """Two numbers in order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _in_order(self) -> "Pair":
        if self.low > self.high:
            raise ValueError(f"low is {self.low}, above high; swap them")
        return self


@flow(name="refusing", validate_parameters=False)
@refuses_plainly
def refusing(pair: Pair, most: int = 10) -> int:
    """The distance, if it is no more than `most`."""
    if pair.high - pair.low > most:
        raise InputError(f"the distance is more than {most}; raise `most`")
    return pair.high - pair.low
