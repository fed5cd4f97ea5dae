"""What a command says when it refuses."""

from click.testing import Result


def sentence_of(result: Result) -> str:
    """The one sentence; there is no traceback."""
    assert result.exit_code == 2 and "Traceback" not in result.output, result.output
    (sentence,) = [line for line in result.output.splitlines() if line.startswith("error: ")]
    return sentence
