"""The chart is one that Helm takes, and what it renders is what Kubernetes takes."""

import helm_python
import kubernetes_validate
import pytest

from chart import CHART, MATRIX, NAMESPACE, load_values, render

VERSIONS = ["1.28.0", "1.32.0", kubernetes_validate.latest_version()]
# Of the Prometheus operator: Kubernetes has no schema of them.
CUSTOM = "monitoring.coreos.com/v1"
WARNING = 2


@pytest.mark.parametrize("path", MATRIX, ids=lambda path: path.stem)
def test_strict_lint_finds_nothing(path):
    report = helm_python.lint(CHART, load_values(path), strict=True, namespace=NAMESPACE, kube_version="v1.32.0")
    found = [message for message in report["messages"] if message["severity"] >= WARNING]
    assert not found and not report["errors"], report


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", MATRIX, ids=lambda path: path.stem)
def test_each_object_is_valid_strictly(path, version):
    for one in render(load_values(path) | {"kubeVersion": version}):
        if one["apiVersion"] != CUSTOM:
            kubernetes_validate.validate(one, version, strict=True)


def test_old_versions_get_the_apis_that_they_have():
    """There are no schemas of them to validate with."""
    values = {"router": {"autoscaling": {"enabled": True}}}
    old = {(one["kind"], one["apiVersion"]) for one in render(values | {"kubeVersion": "1.20.2"})}
    assert ("PodDisruptionBudget", "policy/v1beta1") in old
    assert ("HorizontalPodAutoscaler", "autoscaling/v2beta2") in old
    text = str(render({"kubeVersion": "1.20.2"}))
    for newer in ("minReadySeconds", "persistentVolumeClaimRetentionPolicy", "preStop", "unhealthyPodEvictionPolicy"):
        assert newer not in text, newer


def test_objects_are_named_once():
    for path in MATRIX:
        names = [(one["kind"], one["metadata"]["name"]) for one in render(load_values(path))]
        assert len(names) == len(set(names)), path.name
