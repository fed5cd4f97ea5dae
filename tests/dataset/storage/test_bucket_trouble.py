"""A bucket behind a network that loses requests and answers, and servers that refuse: waited out, or one sentence at once."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import numpy as np
import pytest

from dataset.errors import InputError, StorageError
from dataset.storage.bucket import BucketStore
from dataset.storage.suitability import refuse_unsuitable
from tests.dataset.storage.conftest import put_here
from tests.s3_server import environment, s3_server

PIECE = 8 << 20
PAGE = Path(__file__).parents[3] / "docs/storage.md"
POLICIES = re.compile(r"```json\n(.*?)```", re.DOTALL)


def test_a_create_whose_answer_is_lost_counts_once(proxy, open_through):
    store = open_through()
    proxy.faults["PUT"] = ["silent"]
    tag = store.create("claim", b"token of mine")
    assert proxy.requests.count(("PUT", proxy.requests[-1][1])) == 2, "it was asked again"
    assert store.read("claim") == (b"token of mine", tag)
    proxy.faults["PUT"] = ["silent"]
    assert store.create("claim", b"token of yours") is None


def test_a_replace_whose_answer_is_lost_counts_once(proxy, open_through):
    store = open_through()
    tag = store.create("claim", b"beat 1")
    proxy.faults["PUT"] = ["silent", (500, "InternalError"), "lost"]
    newer = store.replace("claim", b"beat 2", tag)
    assert store.read("claim") == (b"beat 2", newer)
    assert store.replace("claim", b"beat 3", newer) is not None


def test_a_proxy_that_repeats_requests_is_seen_through(proxy, open_through):
    store = open_through()
    proxy.faults["PUT"] = ["twice", "twice"]
    tag = store.create("claim", b"mine")
    assert tag and store.replace("claim", b"mine still", tag)


def test_another_writer_in_between_wins(proxy, open_through, directly):
    """The request is lost before it arrives; by the time of the second try the file is another's."""
    store = open_through()
    tag = store.create("claim", b"free")
    proxy.faults["PUT"] = ["lost"]
    other = directly(store)
    proxy.before["PUT"] = lambda: other.write("claim", b"theirs")
    assert store.replace("claim", b"mine", tag) is None
    assert store.read("claim").content == b"theirs"


def test_a_conflict_of_two_writers_is_tried_again(proxy, open_through):
    """S3 answers 409 when another conditional write is on its way, which may fail."""
    store = open_through()
    proxy.faults["PUT"] = [(409, "ConditionalRequestConflict")]
    assert store.create("claim", b"mine") is not None


@pytest.mark.parametrize(
    "fault", ["lost", "silent", "cut", (500, "InternalError"), (503, "SlowDown"), (429, "SlowDown")]
)
def test_trouble_that_passes_is_waited_out(proxy, open_through, fault):
    store = open_through()
    methods = ["PUT", "GET", "HEAD", "DELETE"] if fault != "cut" else ["GET"]  # other answers have no content to be cut
    proxy.faults = {method: [fault, fault] for method in methods}
    store.write("a/x", b"content")
    assert store.read("a/x").content == b"content"
    proxy.faults["GET"] = [fault]
    assert store.names("a/") == ["a/x"]
    assert store.size("a/x") == 7
    proxy.faults["PUT"] = [fault]
    assert store.move("a/x", "b/x") and store.names("") == ["b/x"]
    store.remove("b/x")
    assert store.names("") == [] and not any(proxy.faults.values())


@pytest.mark.parametrize("fault", ["lost", "silent", "cut", (500, "InternalError")])
def test_large_files_survive_trouble(proxy, open_through, generator, fault):
    store = open_through()
    content = generator.integers(0, 256, 2 * PIECE + 5, dtype=np.uint8).tobytes()
    path = put_here(store, "images/a", content)
    proxy.faults = {"PUT": [None, fault], "POST": [None, fault]}
    store.publish("images/a")
    path.unlink()
    proxy.faults = {"GET": [None, fault]}
    assert store.fetch("images/a", len(content)).read_bytes() == content


def test_no_part_of_a_file_is_seen_while_it_is_published(proxy, open_through, directly, generator):
    store, seen = open_through(), []
    other = directly(store)
    put_here(store, "a", generator.bytes(2 * PIECE + 5))
    look_twice = lambda: [seen.append(other.size("a")), proxy.before.update(POST=lambda: seen.append(other.size("a")))]  # noqa: E731
    proxy.before["POST"] = look_twice  # before the upload begins, and before it ends
    store.publish("a")
    assert seen == [None, None] and other.size("a") == 2 * PIECE + 5
    proxy.faults["PUT"] = [None, (403, "AccessDenied")]
    put_here(store, "b", generator.bytes(2 * PIECE + 5))
    with pytest.raises(InputError):
        store.publish("b")
    assert other.names("") == ["a"]


def test_a_file_written_anew_while_it_is_fetched_is_not_mixed(proxy, open_through, directly):
    store = open_through()
    other = directly(store)
    put_here(store, "a", b"1" * (PIECE + 1))
    store.publish("a")
    store.fetch("a").unlink()
    changed = b"2" * (PIECE + 1)
    second = lambda: other.write("a", changed)  # noqa: E731
    proxy.before["GET"] = lambda: proxy.before.update(GET=second)
    with pytest.raises(StorageError, match=r"s3://.*: a was written anew while it was read; read it again"):
        store.fetch("a")
    assert not list(store.folder.iterdir())
    assert store.fetch("a").read_bytes() == changed


def test_fetching_what_is_not_there(open_through):
    with pytest.raises(
        InputError, match=r"^s3://test-\w+/demo: there is no images/x; has another program removed it\?$"
    ):
        open_through().fetch("images/x")


def test_patience_ends(proxy, open_through):
    store = open_through(patience=0.5)
    proxy.always = (503, "SlowDown")
    with pytest.raises(
        StorageError, match=r"^s3://test-\w+/demo: 127\.0\.0\.1:\d+ has not served x .*\(503 SlowDown\); .*go on"
    ):
        store.read("x")
    proxy.always = "lost"
    for use in (lambda: store.create("x", b"1"), lambda: store.size("x"), lambda: store.names("")):
        with pytest.raises(StorageError):
            use()


def test_nobody_there(at, proxy):
    at(environment(proxy.endpoint))
    proxy.server_close()
    with pytest.raises(StorageError, match="Connection refused"):
        BucketStore("s3://bucket/demo", patience=0.3)


def test_a_server_that_hangs_does_not_hang_us(at):
    with s3_server() as server:
        at(server.environment)
        store = BucketStore(f"{server.new_bucket()}/demo", patience=1)
        store.write("x", b"1")
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(StorageError, match="no answer in time"):
            store.read("x")
        os.kill(server.pid, signal.SIGCONT)
        assert store.read("x").content == b"1"


REFUSALS = {
    (403, "AccessDenied"): "not allowed (403 AccessDenied); give these credentials the permissions",
    (403, "InvalidAccessKeyId"): "the server does not know the access key; correct AWS_ACCESS_KEY_ID",
    (403, "SignatureDoesNotMatch"): "the secret key does not fit the access key; correct",
    (400, "ExpiredToken"): "the credentials have expired; get new ones",
    (400, "InvalidToken"): "the session token is not valid; get new ones",
    (403, "RequestTimeTooSkewed"): "this machine's clock is more than minutes off; set it",
    (401, "Unauthorized"): "not allowed (401 Unauthorized)",
    (404, "NoSuchBucket"): "there is no such bucket; create it, or correct the URL",
    (301, "PermanentRedirect"): "the bucket is in another region; set AWS_REGION",
    (400, "AuthorizationHeaderMalformed"): "the bucket is in another region; set AWS_REGION",
    (501, "NotImplemented"): "the server refuses it (501 NotImplemented); see docs/storage.md",
}


@pytest.mark.parametrize("answer", REFUSALS)
def test_what_a_user_must_mend_is_said_at_once(proxy, open_through, answer, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits"))
    store = open_through(patience=600)
    proxy.always = answer
    put_here(store, "x", b"1")
    uses = [store.read, store.size, store.remove, store.publish, store.fetch, lambda name: store.move(name, "y")]
    uses += [lambda n: store.create(n, b"1"), lambda n: store.replace(n, b"1", '"t"'), lambda n: store.write(n, b"1")]
    uses += [lambda name: store.names(f"{name}/"), lambda name: BucketStore(store.url)]
    for use in uses:
        with pytest.raises(InputError) as caught:
            use("x")
        message = str(caught.value)
        assert REFUSALS[answer] in message and not isinstance(caught.value, StorageError)
        assert message.startswith(f"{store.url}: ") and "\n" not in message
        assert "LEAK" not in message and caught.value.__suppress_context__, "the server's words may name keys"


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[str, dict[str, dict[str, str]]]]:
    """A bucket of a server that checks permissions, and the environments of two who have those of the documentation."""
    with s3_server(INITIAL_NO_AUTH_ACTION_COUNT="1000") as server:
        bucket = server.new_bucket()
        root = {"aws_access_key_id": "root", "aws_secret_access_key": "root", "region_name": "us-east-1"}
        client, users = boto3.client("iam", endpoint_url=server.endpoint, **root), {}
        for name, policy in zip(("worker", "reader"), POLICIES.findall(PAGE.read_text()), strict=True):
            policy = policy.replace("BUCKET", bucket.removeprefix("s3://")).replace("PREFIX", "demo")
            client.create_user(UserName=name)
            client.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
            key = client.create_access_key(UserName=name)["AccessKey"]
            keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
            users[name] = server.environment | keys
        httpx.post(f"{server.endpoint}/moto-api/reset-auth", content="0").raise_for_status()  # from now on it checks
        yield bucket, users


def test_the_permissions_in_the_documentation_suffice(guarded, at, generator):
    bucket, users = guarded
    at(users["worker"])
    store = BucketStore(f"{bucket}/demo")
    refuse_unsuitable(store)
    content = generator.bytes(PIECE + 1)
    put_here(store, ".work/a", content)
    store.publish(".work/a")
    assert store.move(".work/a", "images/a") and not store.move(".work/a", "images/a")
    store.write("manifest.json", b"1")
    store.clear(".work/")
    at(users["reader"])
    reader = BucketStore(f"{bucket}/demo")
    assert reader.names("") == ["images/a", "manifest.json"] and reader.read("none") is None
    assert reader.fetch("images/a").read_bytes() == content and reader.size("images/a") == len(content)
    uses = {
        "x: not": [lambda: reader.write("x", b"1"), lambda: reader.create("x", b"1"), lambda: reader.remove("x")],
        "images/a: not": [lambda: reader.publish("images/a"), lambda: reader.move("images/a", "b")],
    }
    for where, functions in uses.items():
        for use in functions:
            with pytest.raises(
                InputError, match=rf"{where} allowed \(403 AccessDenied\); give these credentials the permissions"
            ):
                use()
    assert reader.names("") == ["images/a", "manifest.json"]


def test_wrong_keys(guarded, at):
    bucket, users = guarded
    at(users["reader"] | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    with pytest.raises(InputError, match="the secret key does not fit the access key"):
        BucketStore(f"{bucket}/demo")
    at({"AWS_ACCESS_KEY_ID": "nobody"})
    with pytest.raises(InputError, match="the server does not know the access key"):
        BucketStore(f"{bucket}/demo")


def test_publishing_what_is_not_here(bucket_url):
    with pytest.raises(FileNotFoundError, match="images/x"):
        BucketStore(bucket_url).publish("images/x")


def test_no_such_bucket(s3, at):
    at(s3.environment)
    with pytest.raises(InputError, match=r"^s3://nobody-made-it/demo: .*there is no such bucket; create it"):
        BucketStore("s3://nobody-made-it/demo")


@pytest.mark.parametrize("answer", [(404, ""), (200, "")])
def test_something_else_than_a_bucket_server(at, proxy, answer):
    at(environment(proxy.endpoint))
    proxy.always = answer
    with pytest.raises(
        InputError, match=r"^s3://bucket/demo: the answers are not those of an S3-compatible server; correct"
    ):
        BucketStore("s3://bucket/demo")


def test_a_copy_that_was_not_made_costs_nothing(proxy, open_through):
    """An answer may begin well and end in an error; known ones are tried again, and for all others the copy is looked at."""
    store = open_through()
    store.write("a", b"new")
    proxy.faults["PUT"] = [(200, "InternalError")]
    assert store.move("a", "b") and store.read("b").content == b"new"
    store.write("a", b"newest")
    proxy.faults["PUT"] = [(200, "Unheard")]
    with pytest.raises(StorageError, match="a was not copied to b; it is still there"):
        store.move("a", "b")
    assert store.read("a").content == b"newest" and store.move("a", "b")


def test_no_credentials(s3, at, proxy, monkeypatch):
    """The metadata address of a cloud machine, which hands out a role's keys, has none."""
    at(s3.environment)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    at({"AWS_METADATA_ENDPOINT": proxy.endpoint})
    proxy.always = (403, "Forbidden")
    with pytest.raises(
        InputError, match="there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run"
    ):
        BucketStore("s3://bucket/demo")
    at({"AWS_ACCESS_KEY_ID": "half"})
    with pytest.raises(InputError, match="there are no credentials"):
        BucketStore("s3://bucket/demo")


def test_a_role_gives_credentials_that_are_renewed(s3, at, role, monkeypatch):
    bucket = s3.new_bucket()
    at(s3.environment | {"AWS_METADATA_ENDPOINT": role.endpoint})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    store = BucketStore(f"{bucket}/demo", patience=30)
    assert role.asked and store.create("x", b"1")
    role.failing = 3
    while role.failing:  # keys are used for a moment without asking again
        store.write("x", b"2")
    assert store.read("x").content == b"2"


def test_https_with_a_certificate_of_ones_own(at, tmp_path, own_certificate):
    certificate, key = own_certificate
    with s3_server(certificate, key) as server:
        bucket = server.new_bucket()
        at(server.environment)
        with pytest.raises(InputError, match="certificate is not trusted; set AWS_CA_BUNDLE"):
            BucketStore(f"{bucket}/demo")
        at({"AWS_CA_BUNDLE": str(certificate)})
        assert BucketStore(f"{bucket}/demo").create("x", b"1")
        at({"AWS_CA_BUNDLE": str(tmp_path / "none.pem")})
        with pytest.raises(InputError, match=r"none\.pem: AWS_CA_BUNDLE names it, but it cannot be read"):
            BucketStore(f"{bucket}/demo")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize("region", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_environment_says_where_and_who(s3, at, monkeypatch, variable, region):
    bucket = s3.new_bucket()
    keys = {name: value for name, value in s3.environment.items() if "KEY" in name}
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    at(keys | {variable: s3.endpoint, region: "us-east-1", "AWS_SESSION_TOKEN": "token"})
    assert BucketStore(f"{bucket}/demo").create("x", b"1")


def test_a_forked_process_is_told_to_be_spawned(bucket_url):
    """Without that it would wait for ever."""
    store = BucketStore(bucket_url)
    pipe, end = multiprocessing.Pipe()

    def use() -> None:
        try:
            store.read("x")
        except RuntimeError as error:
            end.send(str(error))

    child = multiprocessing.get_context("fork").Process(target=use)
    child.start()
    try:
        assert pipe.poll(60) and "spawn it" in pipe.recv()
    finally:
        child.kill()
        child.join()


_MEMORY = """
import resource, sys
from dataset.storage.opening import open_store
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
store, start = open_store(sys.argv[1]), peak()
path = store.folder / "big"
path.parent.mkdir(parents=True)
with path.open("wb") as file:
    for number in range(96):
        file.write(bytes([number]) * (1 << 20))
store.publish("big")
path.unlink()
assert store.fetch("big", 96 << 20).stat().st_size == 96 << 20
print(peak() - start)
"""


def test_large_files_take_little_memory(bucket_url):
    """Some pieces of a file, not the file: in a process of its own, since the peak of memory never falls."""
    script = subprocess.run([sys.executable, "-c", _MEMORY, bucket_url], capture_output=True, text=True, check=True)
    assert float(script.stdout) < 64, "MiB: four pieces of 8 on their way, and some change, of 96"
