"""Reads a written page back: the values that its scripts will see."""

import base64
import json
import re

import numpy as np


def contained(page: str) -> dict:
    """The page's data."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.S)
    return json.loads(text)


def modules(page: str) -> dict[str, str]:
    """Scripts that other scripts import, by name."""
    (text,) = re.findall(r'<script type="importmap">(.*?)</script>', page, flags=re.S)
    return {name: decoded(uri).decode() for name, uri in json.loads(text)["imports"].items()}


def decoded(uri: str) -> bytes:
    """Content of a data address."""
    head, _, text = uri.partition(",")
    assert head.startswith("data:") and head.endswith(";base64")
    return base64.b64decode(text, validate=True)


def array(text: str, kind: str) -> np.ndarray:
    """A packed array, flat."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=kind)
