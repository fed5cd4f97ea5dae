"""Who is let in, and what answers carry."""

import pytest

from dashboard.access import is_loopback
from tests.dashboard.serving import client_of

TOKEN = "a-token-of-tests-0123"


def test_on_loopback_nothing_is_asked_but_other_names_are_refused(desk):
    assert client_of(desk).get("/runs/finished").status_code == 200
    assert client_of(desk, host="evil.example").get("/runs/finished").status_code == 421


def test_a_token_is_taken_once_and_leaves_the_address(desk):
    client = client_of(desk, TOKEN, host="gpu7")
    assert client.get("/runs/finished").status_code == 401
    assert client.get("/runs/finished?token=wrong").status_code == 401
    answer = client.get(f"/runs/finished?a=1&token={TOKEN}")
    assert answer.status_code == 303 and answer.headers["location"] == "/runs/finished?a=1"
    assert "HttpOnly" in answer.headers["set-cookie"] and "samesite=strict" in answer.headers["set-cookie"].lower()
    assert client.get("/runs/finished").status_code == 200


def test_a_redirect_stays_here(desk):
    client = client_of(desk, TOKEN, host="gpu7")
    answer = client.get(f"http://gpu7//evil.example/x?token={TOKEN}")
    assert answer.status_code == 303 and answer.headers["location"] == "/evil.example/x"


def test_programs_send_the_token_as_a_header(desk):
    client = client_of(desk, TOKEN, host="gpu7")
    assert client.get("/healthz", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/healthz", headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_forms_of_other_pages_are_refused(desk, origin):
    assert client_of(desk).post("/anything", headers={"Origin": origin}).status_code == 403
    assert client_of(desk).post("/anything", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_answers_forbid_what_is_not_needed(desk):
    headers = client_of(desk).get("/runs/finished").headers
    assert "script-src 'self';" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_addresses_of_this_machine_alone():
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.3.2.1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.4", "gpu7")))
