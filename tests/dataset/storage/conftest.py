"""Stores to test: a folder, and a bucket of a server that runs for all tests of this folder."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dataset.storage.opening import open_store
from tests.dataset.storage.faulty_proxy import FaultyProxy, faulty_proxy
from tests.dataset.storage.role_server import RoleServer, role_server
from tests.s3_server import S3Server, environment, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(autouse=True)
def clean_environment(tmp_path, monkeypatch) -> None:
    """No test sees credentials or the cache of who runs it."""
    for name in ("AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def at(monkeypatch) -> Callable[[dict[str, str]], None]:
    """Sets the variables that tell clients of a server."""

    def use(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return use


@pytest.fixture
def bucket_url(s3, at) -> str:
    """An empty place in a bucket of its own."""
    at(s3.environment)
    return f"{s3.new_bucket()}/runs/demo"


@pytest.fixture(params=["folder", "bucket"])
def url(request, tmp_path) -> str:
    """An empty place of each kind."""
    return str(tmp_path / "demo") if request.param == "folder" else request.getfixturevalue("bucket_url")


@pytest.fixture
def store(url):
    return open_store(url, patience=20)


@pytest.fixture
def proxy(s3, monkeypatch) -> Iterator[FaultyProxy]:
    """A proxy before the server, which answers wrongly when told to; waits for it are short."""
    monkeypatch.setattr("dataset.storage.bucket._FIRST_WAIT", 0.01)
    with faulty_proxy(s3.endpoint) as proxy:
        yield proxy


@pytest.fixture
def open_through(proxy, s3, at) -> Callable[..., object]:
    """Opens an empty place in a bucket behind the proxy."""

    def build(patience: float = 20) -> object:
        place = f"{s3.new_bucket()}/demo"
        at(environment(proxy.endpoint))
        return open_store(place, patience)

    return build


@pytest.fixture
def directly(s3, at) -> Callable[[object], object]:
    """The place of a store as somebody else sees it, past the proxy."""

    def build(store: object) -> object:
        at(s3.environment)
        return open_store(store.url, patience=20)

    return build


def put_here(store, name: str, content: bytes) -> Path:
    """A large file as a program makes it before it is published."""
    path = store.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def role(monkeypatch) -> Iterator[RoleServer]:
    """What gives keys to programs on a cloud machine; waits for it are short."""
    monkeypatch.setattr("dataset.storage.bucket._FIRST_WAIT", 0.01)
    with role_server() as server:
        yield server


@pytest.fixture
def own_certificate(tmp_path) -> tuple[Path, Path]:
    """A certificate for loopback that nobody trusts, and its key."""
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(loopback, critical=False).sign(key, hashes.SHA256())
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
