"""Where things lie, as pages may show it."""

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

Place = str | Path


def public(place: Place) -> str:
    """A place as it may be shown: of a URL scheme, host and path, never a user, a password or a query."""
    text = re.sub(r"^(s3):/(?!/)", r"\1://", str(place))  # pathlib makes one slash of two
    if "://" not in text:
        return text
    scheme, host, path, _, _ = urlsplit(text)
    return urlunsplit((scheme, host.rpartition("@")[2], path, "", ""))
