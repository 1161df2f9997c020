"""The chart, rendered by Helm's own engine, as a list of Kubernetes objects."""

from pathlib import Path
from typing import Any, Iterator

import helm_python
import yaml

TESTS = Path(__file__).parent
CHART = TESTS.parent / "dnc"
RELEASE = "dnc"
NAMESPACE = "calls"
# Values that must work.
MATRIX = sorted((TESTS / "values").glob("*.yaml"))
assert MATRIX, "no values to render"

Object = dict[str, Any]


def load_values(path: Path) -> Object:
    return yaml.safe_load(path.read_text()) or {}


def render(values: Object, upgrade: bool = False) -> list[Object]:
    """All objects, hooks included. Raises helm_python.HelmError with what a person would be told."""
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(
            values, name=RELEASE, namespace=NAMESPACE, is_install=not upgrade, is_upgrade=upgrade
        )
    texts = [text for path, text in sorted(files.items()) if path.endswith(".yaml")]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    return [one for one in objects if one["kind"] == kind]


def named(objects: list[Object], kind: str, name: str) -> Object:
    found = [one for one in of_kind(objects, kind) if one["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} objects {kind}/{name}"
    return found[0]


def workloads(objects: list[Object]) -> list[Object]:
    return of_kind(objects, "StatefulSet") + of_kind(objects, "Deployment")


def pod_specs(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod that the chart can start, tests and hooks included."""
    for one in objects:
        name = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] == "Pod":
            yield name, one["spec"]
        elif one["kind"] in ("StatefulSet", "Deployment", "Job"):
            yield name, one["spec"]["template"]["spec"]


def containers(spec: Object) -> list[Object]:
    return spec.get("initContainers", []) + spec["containers"]


def config(objects: list[Object], role: str) -> str:
    return named(objects, "ConfigMap", f"{RELEASE}-{role}")["data"][f"{role}.toml"]


def matches(selector: Object, labels: Object) -> bool:
    """Whether a selector of a Service (a map), or of anything else (matchLabels), selects these labels."""
    wanted = selector.get("matchLabels", selector)
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())
