"""What Prefect knows of watched runs: a server that is imitated, and once a real one."""

import base64
import json
from types import SimpleNamespace

import httpx
import pytest

from dashboard.prefect import FLOWS, FlowRuns, find_server, watched_at
from dataset.storage.folder import FolderStore
from tests.dashboard.serving import client_of, desk_of, wait_until
from tests.prefect_server import prefect_server

API = "http://127.0.0.1:4200/api"


def flow_run(id: str, out, kind: str = "RUNNING", **more) -> dict:
    told = {"id": id, "name": f"name-{id}", "state_type": kind, "state_name": kind.capitalize()}
    return told | {"parameters": {"out": str(out), "config": {}}, "estimated_run_time": 61.0} | more


class Prefect:
    """Answers as the server does, and remembers what it was asked."""

    def __init__(self, runs: dict[str, list[dict]]) -> None:
        self.runs, self.requests, self.status = runs, [], 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        (flow,) = json.loads(request.content)["flows"]["name"]["any_"]
        return httpx.Response(self.status, json=self.runs.get(flow, []))


def asked(server: Prefect, places: dict, **environment: str) -> FlowRuns:
    runs = {name: SimpleNamespace(store=FolderStore(place)) for name, place in places.items()}
    settings = {"PREFECT_API_URL": API, "PREFECT_HOME": "/nonexistent"} | environment
    found = FlowRuns(SimpleNamespace(runs=runs), settings, httpx.MockTransport(server))
    found.look()
    return found


def test_runs_are_found_by_flow_and_dataset(tmp_path):
    server = Prefect({
        "render-ih": [
            flow_run("1", tmp_path / "other"),
            flow_run("2", tmp_path / "one", "FAILED", state={"message": "no hands"}),
        ],
        "render-ih-shards": [flow_run("3", tmp_path / "one")],
        "unrelated": [flow_run("4", tmp_path / "one")],
    })  # fmt: skip
    found = asked(server, {"one": tmp_path / "one"}).found
    assert [(run.id, run.flow, run.kind) for run in found["one"]] == [
        ("3", "render-ih-shards", "working"),
        ("2", "render-ih", "bad"),
    ]
    assert found["one"][1].message == "no hands" and found["one"][0].seconds == 61
    assert found["one"][0].url == "http://127.0.0.1:4200/runs/flow-run/3"
    assert [request.url.path for request in server.requests] == ["/api/flow_runs/filter"] * len(FLOWS)


@pytest.mark.parametrize(
    ("state", "kind", "is_open"),
    [
        ("RUNNING", "working", True),
        ("PAUSED", "late", True),
        ("SCHEDULED", "none", True),
        ("FAILED", "bad", False),
        ("CRASHED", "bad", False),
        ("CANCELLED", "late", False),
        ("COMPLETED", "good", False),
        ("UNHEARD_OF", "none", False),
    ],
)
def test_states_have_colours(tmp_path, state, kind, is_open):
    server = Prefect({"render-ih": [flow_run("1", tmp_path, state, state_name="Suspended")]})
    (run,) = asked(server, {"one": tmp_path}).found["one"]
    assert (run.kind, run.is_open, run.state) == (kind, is_open, "Suspended")


def test_which_dataset_a_parameter_means(tmp_path, monkeypatch):
    places = {"one": str(tmp_path / "out/one"), "two": str(tmp_path / "out/two"), "far": "s3://key:secret@b/far/"}
    monkeypatch.chdir(tmp_path)
    assert watched_at("out/one", places) == "one" and watched_at("./out/../out/two/", places) == "two"
    assert watched_at(str(tmp_path / "out/two"), places) == "two"
    assert watched_at("s3://b/far", places) == "far" and watched_at("s3://b/farther", places) is None
    monkeypatch.chdir("/")
    assert watched_at("out/one", places) == "one", "the flow's process was elsewhere"
    assert watched_at("/out/one", places) is None
    assert watched_at("out/one", places | {"twin": "/elsewhere/out/one"}) is None, "it may be either"
    assert watched_at("ne", places) is None
    assert [watched_at(out, places) for out in ("", "..", ".", "a\0b")] == [None] * 4


def test_settings_come_from_the_environment_or_the_profile(tmp_path):
    assert find_server({"PREFECT_HOME": str(tmp_path)}) is None
    profile = f'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "{API}"\nPREFECT_API_AUTH_STRING = "me:it"\n'
    (tmp_path / "profiles.toml").write_text(profile)
    assert find_server({"PREFECT_HOME": str(tmp_path)}).api == API
    assert find_server({"PREFECT_HOME": str(tmp_path), "PREFECT_PROFILE": "none"}) is None
    other = find_server({"PREFECT_HOME": str(tmp_path), "PREFECT_API_URL": "https://p.example/api/"})
    assert (other.api, other.ui) == ("https://p.example/api", "https://p.example")
    assert base64.b64decode(other.authorization.removeprefix("Basic ")) == b"me:it"
    (tmp_path / "profiles.toml").write_text("active = [")
    assert find_server({"PREFECT_HOME": str(tmp_path)}) is None
    for bad in ("file:///etc/passwd", "localhost:4200/api", "http://"):
        assert find_server({"PREFECT_HOME": str(tmp_path), "PREFECT_API_URL": bad}) is None


def test_addresses_of_the_pages(tmp_path):
    def ui(**environment: str) -> str:
        return find_server({"PREFECT_HOME": str(tmp_path)} | environment).ui

    assert ui(PREFECT_API_URL="http://me:secret@host:4200/api") == "http://host:4200"
    cloud = "https://api.prefect.cloud/api/accounts/a/workspaces/w"
    assert ui(PREFECT_API_URL=cloud) == "https://app.prefect.cloud/account/a/workspace/w"
    assert ui(PREFECT_API_URL=API, PREFECT_UI_URL="https://ui.example/") == "https://ui.example"
    assert ui(PREFECT_API_URL=API, PREFECT_UI_URL="javascript:alert(1)") == "http://127.0.0.1:4200"


def test_the_key_is_sent_and_never_told(tmp_path):
    server = Prefect({
        "render-ih": [flow_run("1", tmp_path, "FAILED", state={"message": "lost http://me:secret@host/api\n again"})]
    })  # fmt: skip
    found = asked(server, {"one": tmp_path}, PREFECT_API_AUTH_STRING="me:it")
    assert server.requests[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:it").decode()
    assert found.found["one"][0].message == "lost http://host/api again"
    server = find_server({"PREFECT_API_URL": "http://me:secret@h/api", "PREFECT_API_AUTH_STRING": "me:it"})
    assert "secret" not in repr(server) and "Basic" not in repr(server)


def test_a_server_that_fails_is_forgotten_after_a_while(tmp_path):
    server = Prefect({"render-ih": [flow_run("1", tmp_path)]})
    runs = asked(server, {"one": tmp_path})
    server.status = 500
    runs.look()
    assert runs.found["one"], "one answer that fails tells nothing"
    for _ in range(3):
        runs.look()
    assert runs.found == {}
    server.status = 200
    runs.look()
    assert runs.found["one"]


@pytest.mark.parametrize("answer", [{"detail": "x"}, [1], [{"parameters": "x"}], "x", None])
def test_answers_that_are_none(tmp_path, answer):
    runs = FlowRuns(
        SimpleNamespace(runs={"one": SimpleNamespace(store=FolderStore(tmp_path))}),
        {"PREFECT_API_URL": API},
        httpx.MockTransport(lambda request: httpx.Response(200, json=answer)),
    )
    runs.look()
    assert runs.found == {}


def test_without_a_server_nothing_is_asked(tmp_path):
    server = Prefect({})
    assert asked(server, {"one": tmp_path}, PREFECT_API_URL="").found == {} and not server.requests


def test_the_page_links_to_runs_and_shows_no_secret(finished):
    server = Prefect({"render-ih": [flow_run("a<b>/..", finished, name="<b>bold</b>")]})
    with desk_of(finished) as desk:
        settings = {"PREFECT_API_URL": "http://me:secret@host:4200/api", "PREFECT_API_AUTH_STRING": "me:hidden"}
        desk.watcher.flow_runs = FlowRuns(desk.catalogue, settings, httpx.MockTransport(server))
        before = desk.watcher.version
        desk.watcher.flow_runs.look()
        desk.watcher.look()
        assert desk.watcher.version == before + 1, "pages are written anew"
        page = client_of(desk).get("/runs/finished").text
    assert 'href="http://host:4200/runs/flow-run/a%3Cb%3E%2F.."' in page and "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "secret" not in page and "hidden" not in page


def test_a_real_server_tells_of_a_flow_run(tmp_path):
    with prefect_server(tmp_path / "prefect") as server, httpx.Client(base_url=server.api, trust_env=False) as client:
        wait_until(lambda: client.post("/flows/", json={"name": "render-ih"}).is_success)
        flow = client.get("/flows/name/render-ih").json()["id"]
        wanted = {"flow_id": flow, "name": "good-heron", "parameters": {"config": {}, "out": str(tmp_path / "dataset")}}
        # one that has just started answers 503 while its database is busy
        wait_until(lambda: client.post("/flow_runs/", json=wanted | {"state": {"type": "RUNNING"}}).is_success)
        place = SimpleNamespace(store=FolderStore(tmp_path / "dataset"))
        runs = FlowRuns(SimpleNamespace(runs={"mine": place}), server.environment)
        wait_until(lambda: runs.look() or runs.found)
        run, *_ = runs.found["mine"]
        assert (run.name, run.kind, run.state, run.flow) == ("good-heron", "working", "Running", "render-ih")
        assert run.url == f"{server.api.removesuffix('/api')}/runs/flow-run/{run.id}" and run.seconds >= 0
        page = httpx.get(run.url, headers={"Accept": "text/html"}, trust_env=False, follow_redirects=True)
        assert page.status_code == 200 and "<title>Prefect" in page.text
