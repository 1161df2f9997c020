"""One life of a release, under load: installed, upgraded, a pod lost, grown, shrunk, uninstalled and installed again.

No check may fail, and nothing that was acknowledged may be lost."""

import datetime
import json
from typing import Any

import helm_python
import pytest

from callers import CLEAR, LISTED, Callers, dnc
from chart import CHART, RELEASE
from machine import STORAGE_CLASS, Machine, wait_for
from observability import ROOT

NAMESPACE = "default"
TIMEOUT_S = 300
SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
DISK = {"storageClass": STORAGE_CLASS, "size": "1Gi"}
VALUES = {
    "image": {"repository": "dnc", "tag": "latest"},
    "meta": {"resources": SMALL, "persistence": DISK},
    "nodes": {"resources": SMALL, "persistence": DISK, "replicas": 3},
    "router": {"resources": SMALL},
    # One machine is all there is.
    "topologySpread": {"hosts": "ScheduleAnyway"},
}


def changed(nodes: int = 3, **other: Any) -> dict[str, Any]:
    return VALUES | {"nodes": VALUES["nodes"] | {"replicas": nodes}} | other


class Release:
    """The release, by Helm's own engine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.helm = helm_python.Config(kubeconfig_path=machine.kubeconfig, namespace=NAMESPACE)

    def told(self, what: str, act: Any) -> None:
        try:
            act()
        except helm_python.HelmError as error:
            pytest.fail(f"{what}: {error}\n{self.machine.logs(NAMESPACE)}")

    def install(self, values: dict[str, Any]) -> None:
        self.told("install", lambda: self.helm.install(CHART, RELEASE, values, wait="legacy", timeout=TIMEOUT_S))
        self.settle()

    def upgrade(self, values: dict[str, Any]) -> None:
        self.told("upgrade", lambda: self.helm.upgrade(CHART, RELEASE, values, wait="legacy", timeout=TIMEOUT_S))
        self.settle()

    def uninstall(self) -> None:
        self.told("uninstall", lambda: self.helm.uninstall(RELEASE, wait="legacy", timeout=TIMEOUT_S))
        wait_for("all pods are gone", 120, lambda: not self.pods())

    def test(self) -> None:
        self.told("test", lambda: self.helm.test(RELEASE, timeout=TIMEOUT_S))

    def pods(self, role: str = "") -> list[dict[str, Any]]:
        pods = self.machine.get(f"/api/v1/namespaces/{NAMESPACE}/pods") or {"items": []}
        key = "app.kubernetes.io/component"
        return [pod for pod in pods["items"] if not role or pod["metadata"]["labels"].get(key) == role]

    def routers(self) -> list[str]:
        """Those that the Service has."""
        endpoints = self.machine.get(f"/api/v1/namespaces/{NAMESPACE}/endpoints/{RELEASE}") or {}
        return [one["ip"] for subset in endpoints.get("subsets") or [] for one in subset.get("addresses") or []]

    def rolled_out(self) -> bool:
        apps = f"/apis/apps/v1/namespaces/{NAMESPACE}"
        for kind, role in (("statefulsets", "meta"), ("statefulsets", "node"), ("deployments", "router")):
            one = self.machine.get(f"{apps}/{kind}/{RELEASE}-{role}")
            if not one:
                return False
            status, wanted = one["status"], one["spec"]["replicas"]
            seen = status.get("observedGeneration") == one["metadata"]["generation"]
            counts = [status.get(name) for name in ("replicas", "readyReplicas", "updatedReplicas")]
            if not seen or counts != [wanted] * 3:
                return False
        return True

    def settle(self) -> None:
        wait_for("all pods are the wanted ones, and ready", TIMEOUT_S, self.rolled_out)
        wait_for("the cluster is healthy", 120, lambda: self.dnc("cluster", "status").returncode == 0)

    def dnc(self, *arguments: str) -> Any:
        return dnc(self.routers(), *arguments)

    def done(self, *arguments: str) -> str:
        done = self.dnc(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def nodes(self) -> dict[int, dict[str, Any]]:
        """The cluster's nodes by id."""
        lines = self.done("cluster", "nodes", "-o", "json").splitlines()
        found = [json.loads(line) for line in lines]
        nodes = found[0]["nodes"] if "nodes" in found[0] else found
        return {node["node"]: node for node in nodes}


def test_a_release_lives_without_a_failed_check_and_loses_nothing(machine: Machine) -> None:
    release = Release(machine)
    release.install(changed())
    first = release.nodes()
    assert len(first) == 3
    release.test()

    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    release.done("import", "--list-date", today, "--covers", "201", str(ROOT / "docs" / "samples" / "internal.csv"))
    release.done("suppress", "add", LISTED, "--reason", "asked", "--added-by", "test")
    release.done("check", CLEAR)

    with Callers(release.routers) as callers:
        # Every pod is another one after it.
        before = {pod["metadata"]["uid"] for pod in release.pods() if pod["metadata"]["labels"]["app.kubernetes.io/component"] != "operator"}
        release.upgrade(changed(log="debug"))
        assert not before & {pod["metadata"]["uid"] for pod in release.pods()}
        assert set(release.nodes()) == set(first), "a node that restarts is the same node"

        release.machine.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{RELEASE}-node-1")
        release.settle()

        release.upgrade(changed(nodes=4, log="debug"))
        (fourth,) = set(release.nodes()) - set(first)
        release.done("cluster", "apply", "--wait")
        assert release.nodes()[fourth]["replicas"] > 0

        release.upgrade(changed(nodes=3, log="debug"))
        assert set(release.nodes()) == set(first), "who leaves is let go"
        assert len(release.pods("node")) == 3

    assert callers.checked > 100
    assert not callers.failed, f"{len(callers.failed)} of {callers.checked} checks failed: {callers.failed[:3]}"
    assert callers.acknowledged

    release.uninstall()
    release.install(changed())
    assert set(release.nodes()) == set(first), "the same cluster: a second install founds none"
    for number in [LISTED, *callers.acknowledged]:
        release.done("check", number, "--expect", "listed")
    release.done("check", CLEAR)
    print(f"{callers.checked} checks, {len(callers.acknowledged)} opt-outs, {callers.refused} refused")
