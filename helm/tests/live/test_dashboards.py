"""Every expression of every dashboard has something to show of a running cluster."""

import pytest

from running import DEADLINE_S
from waiting import wait_for
from observability import alerts, expressions, rules


@pytest.mark.parametrize("where,expression", expressions())
def test_an_expression_has_something_to_show(prometheus, where, expression):
    # Some are read by the processes only now and then.
    wait_for(f"{where}: {expression}", DEADLINE_S, lambda: bool(prometheus.query(expression)))


@pytest.mark.parametrize("rule", [rule for rule in rules() if "record" in rule], ids=lambda rule: rule["record"])
def test_a_recording_rule_records(prometheus, rule):
    wait_for(rule["record"], DEADLINE_S, lambda: bool(prometheus.query(rule["record"])))


def test_no_alert_fires_on_a_healthy_cluster(prometheus):
    # Of two checks in three nothing is known here: no list covers the other areas.
    expected = {"DncChecksUnknown"}
    names = {alert["alert"] for alert in alerts()}
    firing = {one["metric"]["alertname"] for one in prometheus.query('ALERTS{alertstate="firing"}')}
    assert firing & names <= expected
