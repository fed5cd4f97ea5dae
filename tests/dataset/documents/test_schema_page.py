"""docs/schema.md: in step with the schema, every column with shape, unit and an example."""

from dataset.documents.example import read_example
from dataset.documents.field_table import field_table, shown
from dataset.documents.schema_page import PAGE, schema_page
from dataset.schema import REJECTED, RULE, VERSION


def test_page_is_up_to_date():
    assert PAGE.read_text() == schema_page(), "run: python -m dataset.documents.schema_page"


def test_page_tells_version_and_rule():
    assert f"version {VERSION} of the tables" in schema_page()
    assert RULE in schema_page()


def test_every_value_has_an_example():
    lines = [line for line in schema_page().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len(cells) > 100
    assert all(len(row) == 6 for row in cells)
    assert [row[0] for row in cells if row[1] != "group" and not row[5]] == []
    assert "| `camera.K` | float64[9] | 3 × 3 | px |" in schema_page()


def test_long_vectors_are_shortened_and_texts_marked():
    assert shown([0.123456, 1.0, -2.0, 5.0]) == "0.1235, 1, -2, …"
    assert shown([7, 8, 9]) == "7, 8, 9"
    assert shown("a" * 64) == f"`{'a' * 24}…`"
    assert shown("") == shown(None) == "empty"
    assert shown(0) == "0"


def test_bars_in_texts_do_not_break_the_table():
    row = read_example()["rejected"] | {"reason": "a | b"}
    (line,) = [line for line in field_table(REJECTED, row).splitlines() if "`reason`" in line]
    assert line.endswith("| `a \\| b` |")
