"""What happens to a release that nobody upgrades: pods are deleted, killed and evicted, and somebody scales without asking. Each one
has to be seen to happen: what was not tried has not held."""

import subprocess

import helm_python
import pytest

from chart import NAMESPACE, RELEASE, Object
from release import TIMEOUT_S, Release
from waiting import wait_for

ONE_GOES, NONE_MORE_MAY = 201, 429


def lose_pods(release: Release) -> None:
    """One of each role is told to stop; one is killed."""
    for pod in (f"{RELEASE}-node-2", f"{RELEASE}-meta-0"):
        with release.step(f"{pod} is deleted"):
            before = release.ids()[pod]
            release.kubectl("delete", "pod", pod)
            release.wait_another(pod, before)
    router = next(iter(release.pods("router")))
    with release.step("a router is deleted"):
        release.kubectl("delete", "pod", router)
        assert router not in release.ids()
        release.settle()
    with release.step(f"{RELEASE}-node-1 is killed"):
        kill(release, [f"{RELEASE}-node-1"])


def kill(release: Release, names: list[str]) -> None:
    """Their processes, all at once and without a warning. They are started again in the same pods."""
    before = {name: starts(release)[name] for name in names}
    ids = [pod["status"]["containerStatuses"][0]["containerID"] for name, pod in release.pods().items() if name in names]
    subprocess.run(["docker", "kill", *(one.removeprefix("docker://") for one in ids)], check=True, capture_output=True)
    wait_for("they are started again", TIMEOUT_S, lambda: all(starts(release).get(name, 0) > count for name, count in before.items()))
    release.settle()


def starts(release: Release) -> dict[str, int]:
    """How often each pod's container has been started again."""
    def count(pod: Object) -> int:
        return sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))

    return {name: count(pod) for name, pod in (release.pods() or {}).items()}


def evict(release: Release, pod: str) -> int:
    """As `kubectl drain` does: what the apiserver answers."""
    eviction = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
    code, _ = release.api.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction", eviction)
    return code


def evict_two(release: Release, role: str) -> None:
    """One may go by choice, and no second one before it is back."""
    with release.step(f"one {role} is evicted, and a second one is not"):
        first, second, before = f"{RELEASE}-{role}-0", f"{RELEASE}-{role}-1", release.ids()
        assert evict(release, first) == ONE_GOES
        assert evict(release, second) == NONE_MORE_MAY
        release.wait_another(first, before[first])
        assert release.ids()[second] == before[second]


def come_back_on_old_data(release: Release) -> None:
    """A node that was let go, on the claim that nobody deleted."""
    gone, known = f"{RELEASE}-node-3", release.nodes()
    with release.step("a node that was let go does not come back"):
        release.kubectl("scale", "statefulset", f"{RELEASE}-node", "--replicas=4")
        wait_for("it is refused", TIMEOUT_S, lambda: starts(release).get(gone, 0) > 0)
        assert all(release.nodes()[node] > 0 for node in known)
        release.kubectl("scale", "statefulset", f"{RELEASE}-node", "--replicas=3")
        wait_for("its pod is gone", TIMEOUT_S, lambda: len(release.pods("node") or {}) == 3)
        # It has made itself known as another node before it was refused, and that one never answers.
        release.done("cluster", "decommission", "--wait", f"{gone}.{RELEASE}-node.{NAMESPACE}.svc.cluster.local:7420")
        release.settle()
        assert set(release.nodes()) == set(known)


def scale_without_asking(release: Release) -> None:
    """A node is taken away behind Helm's back: no upgrade goes on until it is back."""
    with release.step("an upgrade is refused while a node is away"):
        release.kubectl("scale", "statefulset", f"{RELEASE}-node", "--replicas=2")
        wait_for("its pod is gone", TIMEOUT_S, lambda: len(release.pods("node") or {}) == 2)
        wait_for("the cluster is not healthy", TIMEOUT_S, lambda: release.dnc("cluster", "status").returncode == 1)
        before = release.ids()
        with pytest.raises(helm_python.HelmError, match="pre-upgrade hooks failed: .*status: Failed"):
            release.upgrade({"image": {"tag": "first"}})
        assert release.ids() == before, "a pod was replaced"
        why = release.kubectl("logs", f"job/{RELEASE}-upgrade", "--container", "healthy")
        assert "NOT HEALTHY" in why, why
        release.kubectl("scale", "statefulset", f"{RELEASE}-node", "--replicas=3")
        release.settle()
