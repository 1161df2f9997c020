"""The rules and dashboards that come with the chart."""

import json
import re
from pathlib import Path
from typing import Any, Iterator

import yaml

from chart import CHART, TESTS

ROOT = TESTS.parent.parent
RULES = sorted((CHART / "observability" / "rules").glob("*.yml"))
DASHBOARDS = sorted((CHART / "observability" / "dashboards").glob("*.json"))
assert RULES and DASHBOARDS

# What this project's processes export is named like this; what rules record has colons.
METRIC = re.compile(r"\b(?:dnc_[a-z0-9_]+|process_[a-z_]+)\b")
RECORDED = re.compile(r"\bdnc:[a-z0-9_:]+\b")


def rules() -> list[dict[str, Any]]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def panels(path: Path) -> Iterator[dict[str, Any]]:
    yield from json.loads(path.read_text())["panels"]


def expressions() -> list[tuple[str, str]]:
    """Every expression of every dashboard, with the panel that shows it."""
    return [
        (f"{path.stem}: {panel['title']}", target["expr"])
        for path in DASHBOARDS
        for panel in panels(path)
        for target in panel["targets"]
    ]


def metrics_of(expression: str) -> set[str]:
    """The exported metrics that an expression reads; a histogram's by its own name."""
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in METRIC.findall(expression)}
