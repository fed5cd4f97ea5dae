"""Croissant 1.1 metadata with its responsible-AI part: `croissant.json`, which programs read.

Written from the schema and the manifest as plain JSON. Vocabulary: mlcommons.org/croissant/1.1 and /RAI/1.0; units are
schema.org's `unitText`, which the specification allows on fields. Arrays are described as they are stored, flat; their
shape stands in the description.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from dataset.atomic import atomic_write
from dataset.documents.contents import Contents
from dataset.documents.json_text import json_text
from dataset.documents.schema_page import ABOUT
from dataset.documents.statements import RENDERIH, Statements
from dataset.manifest import FILE as MANIFEST
from dataset.schema import IDS, TABLES, VERSION, Column, Unit, columns, is_group, is_picture
from dataset.shards import file_sha256

FILE = "croissant.json"

_SPECIFICATION = "http://mlcommons.org/croissant/1.1"
_RAI = "http://mlcommons.org/croissant/RAI/1.0"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_SPLITS = {"train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit"}
_TYPES = {
    "string": "sc:Text",
    "int8": "cr:Int8",
    "int16": "cr:Int16",
    "int32": "cr:Int32",
    "int64": "cr:Int64",
    "float": "cr:Float32",
    "double": "cr:Float64",
}
"""Arrow's name of a type to Croissant's."""

Json = dict[str, Any]


def write_croissant(dataset_dir: Path) -> Path:
    """Write `croissant.json` into a dataset; returns its path. The manifest must be final: its checksum is in it.

    Raises:
        InputError: the directory is not a dataset, a shard is missing or damaged, or the file cannot be written.
    """
    path = Path(dataset_dir) / FILE
    atomic_write(path, json_text(croissant(Contents.of(dataset_dir))) + "\n")
    return path


def croissant(contents: Contents) -> Json:
    """The metadata of a dataset."""
    said = Statements.of(contents)
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": contents.name,
        "description": f"{said.summary} Version {VERSION} of render-ih's tables.",
        "conformsTo": [_SPECIFICATION, _RAI],
        "version": f"{VERSION}.0",
        "isLiveDataset": False,
        "license": {
            "@type": "sc:CreativeWork",
            "name": "no licence chosen",
            "description": " ".join(["Whoever publishes the dataset chooses its licence.", *said.licences]),
        },
        "citeAs": RENDERIH,
        "keywords": ["hands", "two-hand interaction", "hand pose estimation", "synthetic data", "MANO"],
        **_responsible(said),
        "distribution": [_manifest(contents), *(_file_set(table) for table in contents.tables)],
        "recordSet": [*_splits(contents), *(_record_set(table, TABLES[table]) for table in contents.tables)],
    }


def _responsible(said: Statements) -> Json:
    return {
        "rai:dataCollection": said.collection,
        "rai:dataCollectionType": ["Others: simulation and rendering"],
        "rai:dataAnnotationProtocol": said.annotation,
        "rai:machineAnnotationTools": ["render-ih"],
        "rai:annotationsPerItem": "No human label; every label is computed.",
        "rai:dataBiases": said.biases,
        "rai:dataLimitations": said.limitations,
        "rai:dataUseCases": said.use_cases,
        "rai:personalSensitiveInformation": said.personal_information,
    }


def _manifest(contents: Contents) -> Json:
    path = contents.manifest.folder / MANIFEST
    return {
        "@type": "cr:FileObject",
        "@id": MANIFEST,
        "name": MANIFEST,
        "description": "Every file with its rows, size and SHA-256; the runs that made the rows; what each split consists of.",
        "contentUrl": MANIFEST,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/json",
        "sha256": file_sha256(path),
    }


def _file_set(table: str) -> Json:
    return {
        "@type": "cr:FileSet",
        "@id": f"{table}-files",
        "name": f"{table}-files",
        "description": f"The files of `{table}`; {MANIFEST} has the SHA-256 of each.",
        "encodingFormat": "application/x-parquet",
        "includes": f"{table}/*.parquet",
    }


def _splits(contents: Contents) -> list[Json]:
    """The splits as Croissant knows them; none before there are images."""
    fields = [
        {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
        {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": ["sc:URL", "cr:Split"]},
    ]
    found = {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits; no base pose, person or environment is in two of them.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": fields,
        "data": [{"splits/name": name, "splits/url": _SPLITS[name]} for name in contents.splits],
    }
    return [found] if contents.splits else []


def _record_set(table: str, schema: pa.Schema) -> Json:
    listed = list(columns(schema))
    key = {} if table == "rejected" else {"key": {"@id": f"{table}/{IDS[table]}"}}
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": ABOUT[table],
        **key,
        "field": [_field(table, column, listed) for column in listed if "." not in column.name],
    }


def _field(table: str, column: Column, listed: list[Column]) -> Json:
    """A column, with those inside it when it is a group."""
    about = {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name.replace('.', '/')}",
        "name": column.field.name,
        "description": _about(column),
        **({} if column.unit is Unit.NONE else {"unitText": str(column.unit)}),
    }
    if not is_group(column.field):
        refers = {"references": {"field": {"@id": "splits/name"}}} if column.name == "split" else {}
        return about | _type(column.field) | {"source": _source(table, column)} | refers
    inside = [inner for inner in listed if inner.name.rpartition(".")[0] == column.name]
    return about | {"subField": [_field(table, inner, listed) for inner in inside]}


def _about(column: Column) -> str:
    """The meaning, and the shape where storing an array flat hides it."""
    shape = f" Shape {' × '.join(column.shape)}." if len(column.shape) > 1 else ""
    return f"{column.meaning[:1].upper()}{column.meaning[1:]}.{shape}"


def _type(field: pa.Field) -> Json:
    if is_picture(field):
        return {"dataType": "sc:ImageObject"}
    if pa.types.is_fixed_size_list(field.type):
        return {
            "dataType": _TYPES[str(field.type.value_type)],
            "isArray": True,
            "arrayShape": str(field.type.list_size),
        }
    if pa.types.is_list(field.type):
        return {"dataType": _TYPES[str(field.type.value_type)], "isArray": True, "arrayShape": "-1"}
    return {"dataType": _TYPES[str(field.type)]}


def _source(table: str, column: Column) -> Json:
    """Where the values are: a column of the files, or a field inside one."""
    outer, _, inner = column.name.partition(".")
    path = "bytes" if is_picture(column.field) else inner
    inside = {"transform": {"jsonPath": path}} if path else {}
    corners = {"format": "XYWH"} if column.field.name == "bbox" else {}
    return {"fileSet": {"@id": f"{table}-files"}, "extract": {"column": outer}, **inside, **corners}
