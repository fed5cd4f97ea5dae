"""What docker/monitoring gives Prometheus and Grafana: names exist, expressions parse, alerts fire when they should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flows.cli import main as render_ih
from tasks.observing.metrics import REGISTRY
from tests.dashboard.serving import served

MONITORING = Path(__file__).parents[2] / "docker" / "monitoring"
NAME = re.compile(r"\b(?:render_ih|process)[A-Za-z0-9_:]*")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
FILLED_IN = {"$run": "demo", "${datasource}": "x"}


@pytest.fixture(scope="module")
def grafana() -> dict[str, Any]:
    return json.loads((MONITORING / "grafana.json").read_text())


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    return [
        rule for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
    ]


@pytest.fixture(scope="module")
def exported(finished) -> set[str]:
    """Names of all series that a dashboard and a worker give, with a number or without."""
    with served(finished) as (address, _):
        page = httpx.get(f"{address}/metrics", trust_env=False).text
    families = [
        *text_string_to_metric_families(page),
        *text_string_to_metric_families(generate_latest(REGISTRY).decode()),
    ]
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def queries(grafana: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Title of the panel and expression."""
    for panel in grafana["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def names(expression: str) -> set[str]:
    """Of series, without what stands in quotes."""
    return set(NAME.findall(re.sub(r'"[^"]*"', "", expression)))


def test_grafana_asks_for_what_there_is(grafana, exported):
    for title, expression in queries(grafana):
        assert names(expression) and names(expression) <= exported, title
    for variable in grafana["templating"]["list"]:
        assert names(variable["query"]) <= exported, variable["name"]


def test_grafana_leaves_nothing_out(grafana, exported):
    asked = set().union(*(names(expression) for _, expression in queries(grafana)))
    unasked = {name for name in exported if name.startswith("render_ih")} - asked
    assert {name for name in unasked if "_info" not in name and not name.endswith("_created")} == {
        "render_ih_run_readable",  # the alarm `unreadable` says it in a sentence
        "render_ih_run_finished",  # the variable of runs asks for it
        "render_ih_run_bytes",
        "render_ih_run_shards_expected",
        "render_ih_worker_silence_seconds",
        "render_ih_training_steps_expected",
        "render_ih_training_steps_per_second",
        "render_ih_training_left_seconds",
        "render_ih_training_silence_seconds",
        "render_ih_dashboard_unseen_places",
        "render_ih_dashboard_look_age_seconds",  # an alert asks for it
    }


def test_rules_ask_for_what_there_is(rules, exported):
    recorded = {rule["record"] for rule in rules if "record" in rule}
    for rule in rules:
        asked = names(rule["expr"])
        assert asked <= exported | recorded and (asked or "up{" in rule["expr"]), rule
    assert all(any(name in rule["expr"] for rule in rules) for name in recorded)


def test_alerts_say_what_to_do(rules):
    alerts = [rule for rule in rules if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) >= 8
    for rule in alerts:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}
        assert len(rule["annotations"]["description"]) > 60
        assert "for" in rule or "increase(" in rule["expr"], "an alert waits, or looks back"


def test_every_kind_of_alarm_leads_to_an_alert(rules):
    """Those that are left out of the general alert have one of their own."""
    (general,) = [rule["expr"] for rule in rules if 'kind!~"' in rule["expr"]]
    left_out = re.search(r'kind!~"([^"]+)"', general).group(1).split("|")
    others = " ".join(rule["expr"] for rule in rules if rule["expr"] != general)
    assert all(f'kind="{kind}"' in others or kind == "silent_worker" for kind in left_out)
    assert 'state="silent"' in others


def test_prometheus_reads_these_rules_and_asks_the_dashboard_with_its_token():
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    assert [(MONITORING / name).is_file() for name in config["rule_files"]] == [True]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs.keys() == {"render-ih-dashboard", "render-ih-workers"}
    (target,) = jobs["render-ih-dashboard"]["static_configs"][0]["targets"]
    (port,) = (option.default for option in render_ih.commands["dashboard"].params if option.name == "port")
    assert target == f"127.0.0.1:{port}"
    assert "credentials" not in jobs["render-ih-dashboard"]["authorization"], "a token stands in a file of its own"


def test_grafana_chooses_data_source_and_runs(grafana):
    variables = {variable["name"]: variable for variable in grafana["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus" and variables["run"]["multi"]
    sources = [panel["datasource"]["uid"] for panel in grafana["panels"] if panel["type"] != "row"]
    sources += [target["datasource"]["uid"] for panel in grafana["panels"] for target in panel.get("targets", ())]
    assert set(sources) == {"${datasource}"}
    for title, expression in queries(grafana):
        by_run = re.findall(r"render_ih_(?:run|worker|alarm)[a-z_]*", expression)
        assert expression.count('run=~"$run"') == len(by_run), title


def test_grafana_panels_lie_beside_each_other(grafana):
    taken = set()
    for panel in grafana["panels"]:
        x, y, w, h = (panel["gridPos"][name] for name in "xywh")
        cells = {(column, line) for column in range(x, x + w) for line in range(y, y + h)}
        assert x + w <= 24 and not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in grafana["panels"]}) == len(grafana["panels"])


def promtool(*words: str, folder: Path = MONITORING) -> None:
    done = subprocess.run([PROMTOOL, *words], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_alerts_judge_made_up_hours():
    promtool("test", "rules", "alerts_test.yaml")


@needs_promtool
def test_the_configuration_is_one(tmp_path):
    for name in ("prometheus.yml", "alerts.yaml"):
        shutil.copy(MONITORING / name, tmp_path)
    (tmp_path / "dashboard.token").write_text("a-token-of-tests-0123")
    promtool("check", "config", "prometheus.yml", folder=tmp_path)


@needs_promtool
def test_grafana_expressions_parse(grafana, tmp_path):
    rules = []
    for number, (_, expression) in enumerate(queries(grafana)):
        for variable, value in FILLED_IN.items():
            expression = expression.replace(variable, value)
        rules.append({"record": f"query_{number}", "expr": expression})
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "grafana", "rules": rules}]}))
    promtool("check", "rules", "queries.yaml", folder=tmp_path)


@needs_promtool
def test_the_page_follows_the_rules_of_names(client):
    """Units, HELP and types as Prometheus' own checker wants them."""
    page = client.get("/metrics").text
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=page, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
