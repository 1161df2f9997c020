"""Rules that Prometheus takes, alerts that fire when they should and not otherwise, and a page for each of them."""

import json
import re
import subprocess

import pytest
import yaml

from chart import MATRIX, TESTS, load_values, of_kind, render
from observability import DASHBOARDS, RECORDED, ROOT, RULES, alerts, expressions, metrics_of, panels, rules

CASES = yaml.safe_load((TESTS / "alerts.yaml").read_text())
RUNBOOKS = ROOT / "docs" / "runbooks"
SECTIONS = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def sources() -> str:
    found = [path for folder in ("router", "node", "raft-meta", "cli") for path in (ROOT / folder / "src").rglob("*.rs")]
    return "\n".join(path.read_text() for path in found)


def case(name: str, of: dict, firing: int) -> dict:
    return {
        "interval": "1m",
        "input_series": [{"series": series, "values": str(values)} for series, values in of["series"].items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}} == 1) or vector(0)',
                "eval_time": of["at"],
                "exp_samples": [{"labels": "{}", "value": firing}],
            }
        ],
    }


def test_promtool_takes_the_rules():
    promtool("check", "rules", *map(str, RULES))


def test_every_alert_has_cases_and_every_case_an_alert():
    assert set(CASES) == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_alert_fires_when_it_should_and_not_otherwise(name, tmp_path):
    file = {
        "rule_files": list(map(str, RULES)),
        "evaluation_interval": "1m",
        "tests": [case(name, CASES[name]["fires"], 1), case(name, CASES[name]["quiet"], 0)],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(file))
    promtool("test", "rules", str(path))


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_says_what_to_do(alert):
    assert alert["labels"]["severity"] in ("warning", "critical")
    annotations = alert["annotations"]
    assert annotations["summary"] and annotations["description"]
    assert annotations["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"
    page = (ROOT / annotations["runbook_url"]).read_text()
    at = [page.find(section) for section in SECTIONS]
    assert -1 not in at and at == sorted(at), "meaning, impact, diagnosis, mitigation"
    assert page.startswith(f"# {alert['alert']}\n")
    # What to type is shown, not described.
    assert "```sh" in page[at[2] :]


def test_no_page_is_of_an_alert_that_is_gone():
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {alert["alert"] for alert in alerts()}


def test_rules_and_dashboards_read_only_what_processes_export():
    exported = sources()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for where, expression in expressions() + [(str(rule), rule["expr"]) for rule in rules()]:
        for metric in metrics_of(expression):
            assert f'"{metric}"' in exported, f"{where}: nothing exports {metric}"
        assert set(RECORDED.findall(expression)) <= recorded, where


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_shown(path):
    board = json.loads(path.read_text())
    assert board["uid"] == path.stem and "dnc" in board["tags"]
    ids = [panel["id"] for panel in panels(path)]
    assert len(ids) == len(set(ids))
    cells = [(x, y) for panel in panels(path) for at in [panel["gridPos"]]
             for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(cells) == len(set(cells)), "panels lie over each other"
    assert max(x for x, _ in cells) < 24
    for panel in panels(path):
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            shown, summed = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]), re.findall(r" by \(([^)]*)\)", target["expr"])
            assert not summed or all(label in summed[0] for label in shown), f"no such label is left: {target}"


def test_the_chart_carries_all_rules_and_dashboards_and_nothing_else():
    values = load_values(next(path for path in MATRIX if path.stem == "everything"))
    objects = render(values)
    (carried,) = of_kind(objects, "PrometheusRule")
    base = values["monitoring"]["rules"]["runbookBase"]
    expected = yaml.safe_load(yaml.safe_dump(rules()).replace("docs/runbooks/", f"{base}docs/runbooks/"))
    assert [rule for group in carried["spec"]["groups"] for rule in group["rules"]] == expected
    (boards,) = [one["data"] for one in of_kind(objects, "ConfigMap") if one["metadata"]["name"].endswith("-dashboards")]
    assert {name: json.loads(text) for name, text in boards.items()} == {path.name: json.loads(path.read_text()) for path in DASHBOARDS}
    assert not of_kind(render({}), "PrometheusRule")
