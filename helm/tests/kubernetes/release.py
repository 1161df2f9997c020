"""The chart's release on a machine: what `helm` and `kubectl` do to it, and how it stands."""

import contextlib
import datetime
import json
import subprocess
import time
from typing import Any, Callable, Iterator

import helm_python
import pytest

from callers import dnc
from chart import CHART, NAMESPACE, RELEASE, Object
from machine import STORAGE_CLASS, Machine
from waiting import wait_for

TIMEOUT_S = 300
HEALTHY_S = 120
ROLES = {"meta": "statefulsets", "node": "statefulsets", "router": "deployments"}
SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
DISK = {"storageClass": STORAGE_CLASS, "size": "1Gi"}
VALUES = {
    "image": {"repository": "dnc", "tag": "first"},
    "meta": {"resources": SMALL, "persistence": DISK},
    "nodes": {"resources": SMALL, "persistence": DISK},
    "router": {"resources": SMALL},
    # One machine is all there is.
    "topologySpread": {"hosts": "ScheduleAnyway"},
}


class Release:
    """The release, by Helm's own engine. What changes it waits as `--wait` does, and then until the cluster is healthy."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.api, self.kubectl = machine, machine.api, machine.kubectl
        self.helm = helm_python.Config(kubeconfig_path=machine.kubeconfig, namespace=NAMESPACE)
        self.known: dict[str, list[str]] = {}
        # What was done, how long it took, and how many checks were made meanwhile.
        self.steps: list[tuple[str, float, int]] = []
        self.checked: Callable[[], int] = int

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Says how long it took, and what everybody said last if it fails."""
        began, checked = time.monotonic(), self.checked()
        print(f"== {datetime.datetime.now(datetime.UTC).time():%H:%M:%S} {what}", flush=True)
        try:
            yield
        except Exception as error:
            print(self.api.logs(NAMESPACE))
            print(self.machine.last_words())
            pytest.fail(f"{what}: {error!r}")
        self.steps.append((what, time.monotonic() - began, self.checked() - checked))

    def install(self, **options: Any) -> None:
        self.helm.install(CHART, RELEASE, VALUES, wait="watcher", timeout=TIMEOUT_S, create_namespace=True, **options)
        self.settle()

    def upgrade(self, values: Object) -> None:
        self.helm.upgrade(CHART, RELEASE, values, wait="watcher", timeout=TIMEOUT_S, reuse_values=True)
        self.settle()

    def rollback(self, revision: int) -> None:
        self.helm.rollback(RELEASE, version=revision, wait="watcher", timeout=TIMEOUT_S)
        self.settle()

    def revision(self) -> int:
        return int(self.helm.status(RELEASE)["revision"])

    def uninstall(self) -> None:
        self.helm.uninstall(RELEASE, wait="watcher", timeout=TIMEOUT_S)
        wait_for("all pods are gone", TIMEOUT_S, lambda: not any(self.pods(role) != {} for role in ROLES))

    # How it stands.

    def pods(self, role: str = "") -> dict[str, Object] | None:
        """By name; of all roles unless one is named. None while nobody can say."""
        of_role = f"?labelSelector=app.kubernetes.io/component={role}" if role else ""
        found = self.api.items(f"/api/v1/namespaces/{NAMESPACE}/pods{of_role}")
        return None if found is None else {pod["metadata"]["name"]: pod for pod in found}

    def ids(self) -> dict[str, str]:
        """Each pod that does a role's work by name: another one of that name has another id."""
        return {name: pod["metadata"]["uid"] for role in ROLES for name, pod in (self.pods(role) or {}).items()}

    def routers(self) -> list[str]:
        """Those that the Service has, as its names' callers would know them."""
        endpoints = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/endpoints/{RELEASE}")
        if endpoints is not None:
            subsets = endpoints.get("subsets") or []
            self.known["routers"] = [one["ip"] for subset in subsets for one in subset.get("addresses") or []]
        return self.known.get("routers", [])

    def address(self) -> list[str]:
        """The Service's own, behind which the machine's proxy chooses a router."""
        service = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}")
        if service is not None:
            self.known["address"] = [service["spec"]["clusterIP"]]
        return self.known.get("address", [])

    def rolled_out(self) -> bool:
        for role, kind in ROLES.items():
            one = self.api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind}/{RELEASE}-{role}")
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
        self.wait_healthy()

    def wait_healthy(self) -> None:
        wait_for("the cluster is healthy", HEALTHY_S, lambda: self.dnc("cluster", "status").returncode == 0,
                 lambda: self.dnc("cluster", "status").stdout)

    def dnc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return dnc(self.routers(), *arguments, limit_s=HEALTHY_S)

    def done(self, *arguments: str) -> str:
        done = self.dnc(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def nodes(self) -> dict[int, int]:
        """How many replicas each node holds, by its id."""
        return {node["node"]: node["replicas"] for node in json.loads(self.done("cluster", "nodes", "-o", "json"))["nodes"]}

    def wait_another(self, pod: str, id_before: str) -> None:
        """Until there is another pod of that name, and the release is whole again."""
        wait_for(f"{pod} is another one", TIMEOUT_S, lambda: self.ids().get(pod, id_before) != id_before)
        self.settle()
