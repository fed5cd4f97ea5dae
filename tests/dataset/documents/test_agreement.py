"""The Parquet files, docs/schema.md, the card and croissant.json list the same columns with the same types and units.

Each is read here by code of its own, which shares nothing with the code that wrote it.
"""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset.documents.schema_page import PAGE
from dataset.schema import TABLES

CROISSANT_TYPES = {
    "sc:Text": "text",
    "sc:ImageObject": "image",
    **{f"cr:{name.capitalize()}": name for name in ("int8", "int16", "int32", "int64", "float32", "float64")},
}
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
ARROW_TYPES = {pa.string(): "text", pa.float32(): "float32", pa.float64(): "float64", PICTURE: "image"}

Columns = dict[str, tuple[str, str]]
"""Dotted name to type and unit, in order."""


def of_parquet(schema: pa.Schema) -> Columns:
    found = {}

    def visit(fields, prefix):
        for field in fields:
            kind = field.type
            group = pa.types.is_struct(kind) and kind != PICTURE
            found[prefix + field.name] = ("group" if group else arrow_name(kind), field.metadata[b"unit"].decode())
            if group:
                visit(kind, f"{prefix}{field.name}.")

    visit(schema, "")
    return found


def arrow_name(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return f"{arrow_name(kind.value_type)}[{kind.list_size}]"
    if pa.types.is_list(kind):
        return f"list of {arrow_name(kind.value_type)}"
    return ARROW_TYPES.get(kind, str(kind))


def of_markdown(text: str, heading: str) -> Columns:
    section = text.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row] for row in rows]
    return {name.strip("`"): (kind, unit) for name, kind, _, unit, *_ in cells}


def of_croissant(record_set: dict) -> Columns:
    found = {}

    def visit(fields):
        for field in fields:
            name = field["@id"].removeprefix(record_set["@id"] + "/").replace("/", ".")
            found[name] = (croissant_name(field), field.get("unitText", "none"))
            visit(field.get("subField", []))

    visit(record_set["field"])
    return found


def croissant_name(field: dict) -> str:
    if "subField" in field:
        return "group"
    kinds = field["dataType"] if isinstance(field["dataType"], list) else [field["dataType"]]
    kind = CROISSANT_TYPES[kinds[0]]
    if not field.get("isArray"):
        return kind
    return f"list of {kind}" if field["arrayShape"] == "-1" else f"{kind}[{field['arrayShape']}]"


class Documents:
    """All four, as text and objects that a test may change."""

    def __init__(self, folder):
        self.parquet = {table: pq.read_schema(next((folder / table).glob("*.parquet"))) for table in TABLES}
        self.page = PAGE.read_text()
        self.card = (folder / "README.md").read_text()
        self.croissant = json.loads((folder / "croissant.json").read_text())

    def record_set(self, table):
        return next(found for found in self.croissant["recordSet"] if found["@id"] == table)

    def disagreements(self) -> list[str]:
        """Where a document says something else than the files do."""
        found = []
        for table, schema in self.parquet.items():
            truth = of_parquet(schema)
            told = {
                "page": of_markdown(self.page, f"\n## {table}"),
                "card": of_markdown(self.card, f"\n### `{table}`"),
                "croissant": of_croissant(self.record_set(table)),
            }
            for document, columns in told.items():
                names = [name for name in [*truth, *columns] if truth.get(name) != columns.get(name)]
                names += ["order"] if list(truth) != list(columns) else []
                found += [f"{document}: {table}.{name}" for name in dict.fromkeys(names)]
        return found


@pytest.fixture
def documents(published) -> Documents:
    return Documents(published)


def test_all_documents_list_the_same_columns(documents):
    assert documents.disagreements() == [], "rewrite the page: python -m dataset.documents.schema_page"
    assert len(of_parquet(documents.parquet["images"])) > 60
    assert of_parquet(documents.parquet["images"])["left.joints_3d"] == ("float32[63]", "m")


def leaf(documents: Documents) -> dict:
    """The Croissant field of images.right.betas."""
    hand = next(field for field in documents.record_set("images")["field"] if field["name"] == "right")
    return next(field for field in hand["subField"] if field["name"] == "betas")


def another_unit(documents):
    schema = documents.parquet["poses"]
    field = schema.field(0)
    documents.parquet["poses"] = schema.set(0, field.with_metadata({**field.metadata, b"unit": b"m"}))


def replaced(name: str, old: str, new: str):
    def change(documents: Documents) -> None:
        text = getattr(documents, name)
        assert old in text
        setattr(documents, name, text.replace(old, new))

    return change


def a_new_column(documents):
    field = pa.field("colour", pa.float32(), metadata={"unit": "1"})
    documents.parquet["plan"] = documents.parquet["plan"].append(field)


def another_type(documents):
    schema = documents.parquet["poses"]
    index = schema.get_field_index("naturalness")
    documents.parquet["poses"] = schema.set(index, schema.field(index).with_type(pa.float64()))


def another_order(documents):
    schema = documents.parquet["rejected"]
    documents.parquet["rejected"] = pa.schema([schema.field(1), schema.field(0), *list(schema)[2:]])


PARTED = {
    "a column is added to the files": (a_new_column, {"page", "card", "croissant"}),
    "a unit of the files changes": (another_unit, {"page", "card", "croissant"}),
    "a type of the files changes": (another_type, {"page", "card", "croissant"}),
    "columns of the files change places": (another_order, {"page", "card", "croissant"}),
    "the page loses a column": (replaced("page", "| `camera.t` |", "| camera.t |"), {"page"}),
    "the page has another unit": (
        replaced("page", "| float32[63] | 21 × 3 | m |", "| float32[63] | 21 × 3 | mm |"),
        {"page"},
    ),
    "the page has another type": (replaced("page", "| `view` | int32 |", "| `view` | int64 |"), {"page"}),
    "the card loses a column": (replaced("card", "| `depth` |", "| depth |"), {"card"}),
    "the card has a column too many": (
        replaced("card", "| `depth` |", "| `more` | text | | none |\n| `depth` |"),
        {"card"},
    ),
    "the card has another unit": (replaced("card", "|  | stops |", "|  | 1 |"), {"card"}),
    "croissant loses a field": (lambda d: d.record_set("poses")["field"].pop(), {"croissant"}),
    "croissant has another unit": (lambda d: leaf(d).update(unitText="m"), {"croissant"}),
    "croissant loses a unit": (lambda d: leaf(d).pop("unitText"), {"croissant"}),
    "croissant has another type": (lambda d: leaf(d).update(dataType="cr:Float64"), {"croissant"}),
    "croissant has another length": (lambda d: leaf(d).update(arrayShape="9"), {"croissant"}),
}


@pytest.mark.parametrize("case", PARTED)
def test_the_comparison_finds_documents_that_part(case, documents):
    change, guilty = PARTED[case]
    change(documents)
    assert {sentence.split(":")[0] for sentence in documents.disagreements()} == guilty
