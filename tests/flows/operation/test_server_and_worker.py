"""`render-ih server` and `render-ih worker` as real processes: who gets in, what is kept, how they end."""

import subprocess
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from uuid import UUID

import httpx
import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from dataset.errors import InputError
from flows.operation.processes import is_alive
from flows.operation.server_checks import wait_for_database
from flows.operation.worker import look_at_pool
from tests.operation_servers import (
    ROOT,
    command,
    environment,
    free_port,
    postgresql,
    postgresql_programs,
    render_ih_server,
    started,
    wait_until,
)

AUTH = "tester:a-long-password"
POOL = "trials"


@pytest.fixture(scope="module")
def database():
    """A PostgreSQL server's URL; None where it is not installed."""
    programs = postgresql_programs()
    with postgresql(programs) if programs else nullcontext() as url:
        yield url


@pytest.fixture(scope="module")
def server(tmp_path_factory, database):
    """A server with a credential, pools and the flow `hold` in it; the API's URL and the deployment's id."""
    words = ["--database", database] if database else []
    served = render_ih_server(tmp_path_factory.mktemp("server"), *words, PREFECT_SERVER_API_AUTH_STRING=AUTH)
    with served as api, client_of(api) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        client.create_work_pool(WorkPoolCreate(name="elsewhere", type="kubernetes"))
        deployment = client.create_deployment(
            client.create_flow_from_name("hold"),
            "hold",
            work_pool_name=POOL,
            entrypoint="held_flow.py:hold",
            path=str(Path(__file__).parent),
        )
        yield api, deployment


@contextmanager
def client_of(api: str, auth: str | None = AUTH):
    """Prefect's own client of a server."""
    with (
        temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: auth}),
        get_client(sync_client=True) as client,
    ):
        yield client


@contextmanager
def working(api: str, home: Path, *words: str):
    """`render-ih worker` at work, with its log."""
    log = home / "worker.log"
    env = environment(home, PREFECT_API_URL=api, PREFECT_API_AUTH_STRING=AUTH)
    line = command("worker", "--pool", POOL, "--device", "cpu", *words)
    with started(line, log, cwd=ROOT, env=env) as process:
        yield process, log


def start_run(server: tuple[str, UUID], folder: Path, listens: bool = True) -> UUID:
    """A run of `hold` that waits for a worker."""
    folder.mkdir()
    api, deployment = server
    with client_of(api) as client:
        return client.create_flow_run_from_deployment(
            deployment, parameters={"folder": str(folder), "listens": listens}
        ).id


def everything_below(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def seconds_to_end(process: subprocess.Popen, log: Path) -> float:
    """SIGTERM to the supervisor alone, as systemd and Kubernetes do, until it and all below are gone."""
    everything = everything_below(process)
    start = time.monotonic()
    process.terminate()
    assert process.wait(30) == 0, log.read_text()
    seconds = time.monotonic() - start
    assert not [one for one in everything if is_alive(one)], log.read_text()
    return seconds


def refusal(home: Path, *words: str, **more: str) -> str:
    """What the command says when it refuses, in one line, with exit code 2."""
    env = environment(home, **more)
    answer = subprocess.run(
        command(*words), cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1, answer.stderr
    return answer.stderr


def test_the_api_wants_the_credential_and_the_page_none_but_ours(server):
    api, _ = server
    assert httpx.get(f"{api}/health").status_code == 200
    assert httpx.get(f"{api}/admin/version").status_code == 401
    assert httpx.get(f"{api}/admin/version", auth=("tester", "wrong")).status_code == 401
    assert httpx.get(f"{api}/admin/version", auth=tuple(AUTH.split(":"))).status_code == 200
    root = api.removesuffix("/api")
    page = httpx.get(root, headers={"Accept": "text/html"}, follow_redirects=True)
    assert page.status_code == 200 and "<html" in page.text.lower()
    assert "//" not in page.text.replace(root, ""), "the page loads something from elsewhere"
    served = httpx.get(f"{root}/ui-settings").json()
    assert served["api_url"] == "/api" and served["default_ui"] == "v1" and served["csrf_enabled"]


def test_a_foreign_page_can_neither_write_nor_read(server):
    api, _ = server
    known = {"auth": tuple(AUTH.split(":"))}
    assert httpx.post(f"{api}/flow_runs/filter", json={}, **known).status_code == 403
    foreign = {"Origin": "http://elsewhere.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in httpx.options(f"{api}/flow_runs/filter", headers=foreign).headers
    assert "access-control-allow-origin" not in httpx.get(f"{api}/health", headers=foreign).headers


def test_what_a_user_can_mend_is_one_sentence(server, tmp_path):
    api, _ = server
    taken = api.split(":")[2].removesuffix("/api")
    assert f"port {taken}" in refusal(tmp_path, "server", "--port", taken)
    assert "PREFECT_API_AUTH_STRING" in refusal(tmp_path, "worker", PREFECT_API_URL=api)


@pytest.mark.parametrize(("pool", "advice"), [("nowhere", "`render-ih deploy`"), ("elsewhere", "kubernetes")])
def test_a_pool_must_be_there_and_start_processes(server, pool, advice):
    api, _ = server
    with temporary_settings({PREFECT_API_AUTH_STRING: AUTH}), pytest.raises(InputError, match=advice):
        look_at_pool(pool, api)
    with temporary_settings({PREFECT_API_AUTH_STRING: AUTH}):
        assert look_at_pool(POOL, api) == api


def test_a_worker_that_dies_is_replaced_and_all_ends_in_order(server, tmp_path):
    api, _ = server
    port = free_port()
    with working(api, tmp_path, "--name", "node", "--health-port", str(port)) as (process, log):
        start_run(server, tmp_path / "first")
        wait_until((tmp_path / "first" / "held").exists, log)
        worker = psutil.Process(process.pid).children()[0]
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
        assert {one.laddr.ip for one in worker.net_connections() if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        worker.kill()
        wait_until((tmp_path / "first" / "released").exists, log)

        second = start_run(server, tmp_path / "second")
        wait_until((tmp_path / "second" / "held").exists, log)
        third = start_run(server, tmp_path / "third")
        assert seconds_to_end(process, log) < 10
    assert (tmp_path / "second" / "released").exists() and not (tmp_path / "second" / "held").exists()
    assert not list((tmp_path / "third").iterdir()), "a worker that ends takes nothing new"
    with client_of(api) as client:
        assert client.read_flow_run(second).state_type == "COMPLETED"
        assert client.read_flow_run(third).state_type == "SCHEDULED"
        client.delete_flow_run(third)


def test_a_run_that_does_not_listen_is_killed_in_time(server, tmp_path):
    api, _ = server
    start_run(server, tmp_path / "deaf", listens=False)
    with working(api, tmp_path, "--name", "other") as (process, log):
        wait_until((tmp_path / "deaf" / "held").exists, log)
        assert seconds_to_end(process, log) < 20  # eight by its own clock; tests share machines
    assert "does not end, so it is killed" in log.read_text()


def test_a_node_without_work_ends_itself(server, tmp_path):
    api, _ = server
    with working(api, tmp_path, "--name", "spare", "--until-idle", "0.5") as (process, log):
        assert process.wait(60) == 0, log.read_text()
    assert "no run for 0.5 s" in log.read_text()


@pytest.mark.skipif(postgresql_programs() is None, reason="PostgreSQL's server is not installed (Debian: postgresql)")
def test_runs_are_in_postgresql_and_the_next_server_has_them(server, database, tmp_path):
    api, deployment = server
    with client_of(api) as client:
        run = client.create_flow_run_from_deployment(deployment).id
    again = render_ih_server(tmp_path / "again", PREFECT_SERVER_DATABASE_CONNECTION_URL=database)
    with again as api, client_of(api, None) as client:
        assert client.read_flow_run(run).deployment_id == deployment
    assert not list(tmp_path.rglob("prefect.db")), "nothing went to SQLite"


@pytest.mark.skipif(postgresql_programs() is None, reason="PostgreSQL's server is not installed (Debian: postgresql)")
def test_postgresql_that_refuses_is_said_at_once_and_one_that_is_silent_waited_for(database):
    said = []
    wait_for_database(database, 0, said.append)
    with pytest.raises(InputError, match='refuses: password authentication failed for user "prefect"') as told:
        wait_for_database(database.replace("secret", "guessed"), 30, said.append)
    assert "guessed" not in str(told.value)
    with pytest.raises(InputError, match='refuses: database "absent" does not exist'):
        wait_for_database(database.removesuffix("prefect") + "absent", 30, said.append)
    assert not said
    with pytest.raises(InputError, match="gave no answer"):
        wait_for_database(f"postgresql+asyncpg://prefect:secret@127.0.0.1:{free_port()}/prefect", 0.5, said.append)
    assert len(said) == 1 and "waiting for PostgreSQL" in said[0]
