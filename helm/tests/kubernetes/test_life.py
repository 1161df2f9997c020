"""One life of a release, under load: installed, upgraded, pods lost, grown, shrunk, rolled back, uninstalled and installed again.

No check may fail while a majority of each shard runs, none may be wrong ever, and nothing that was acknowledged may be lost."""

import contextlib
import datetime
import shlex
import socket
import subprocess
from typing import Iterator

import pytest

from api import wait_for
from callers import CLEAR, LISTED, Callers, dnc
from chart import NAMESPACE, RELEASE
from machine import Machine
from observability import ROOT
from pages import PAGES, typed
from release import TIMEOUT_S, Release


@pytest.fixture
def release(machine: Machine) -> Iterator[Release]:
    release = Release(machine)
    yield release
    for what, seconds, checked in release.steps:
        print(f"{seconds:6.1f} s {checked:6} checks  {what}")


def load_lists(release: Release) -> None:
    """As the chart's notes say: through a port of this machine."""
    forward = subprocess.Popen(
        [str(release.machine.binaries / "kubectl"), "--kubeconfig", str(release.machine.kubeconfig),
         "port-forward", f"svc/{RELEASE}", "7400:7400"], stdout=subprocess.DEVNULL)
    try:
        wait_for("the port is forwarded", 30, lambda: socket.socket().connect_ex(("127.0.0.1", 7400)) == 0)
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        lists = str(ROOT / "docs" / "samples" / "internal.csv")
        done = dnc(["127.0.0.1"], "import", "--list-date", today, "--covers", "201", lists, limit_s=TIMEOUT_S)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        forward.terminate()
        forward.wait(timeout=10)


@contextlib.contextmanager
def load(release: Release) -> Iterator[tuple[Callers, Callers]]:
    """Callers who know each router, and others who know the Service's one address."""
    with Callers(release.routers) as callers, Callers(release.address, "+1201557") as by_one_address:
        release.checked = lambda: callers.checked + by_one_address.checked
        try:
            yield callers, by_one_address
        finally:
            print(f"who know each router:  {callers}\nwho know one address:  {by_one_address}")


def lose_pods(release: Release) -> None:
    """One of each role: asked to stop, and killed."""
    for pod in (f"{RELEASE}-node-2", f"{RELEASE}-meta-0"):
        with release.step(f"{pod} is deleted"):
            release.gone_and_back(pod, release.ids()[pod], lambda: release.kubectl("delete", "pod", pod))
    router = next(iter(release.pods("router")))
    with release.step("a router is deleted"):
        release.kubectl("delete", "pod", router)
        assert router not in release.ids()
        release.settle()
    node = f"{RELEASE}-node-1"
    with release.step(f"{node} is killed"):
        (status,) = release.pods("node")[node]["status"]["containerStatuses"]
        subprocess.run(["docker", "kill", status["containerID"].removeprefix("docker://")], check=True, capture_output=True)
        wait_for("it is started again", 60, lambda: started(release, node) > status["restartCount"])
        release.settle()


def started(release: Release, pod: str) -> int:
    """How often its container has been started again."""
    pods = release.pods("node") or {}
    return sum(one["restartCount"] for one in pods[pod]["status"].get("containerStatuses", [])) if pod in pods else 0


def evict(release: Release, pod: str) -> int:
    """As `kubectl drain` does: what the apiserver answers."""
    eviction = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
    code, _ = release.api.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction", eviction)
    return code


def disrupt(release: Release) -> None:
    """One node may go by choice, and no second one before it is back."""
    with release.step("one node is evicted, and a second one is not"):
        before = release.ids()
        assert evict(release, f"{RELEASE}-node-0") == 201
        assert evict(release, f"{RELEASE}-node-1") == 429
        release.gone_and_back(f"{RELEASE}-node-0", before[f"{RELEASE}-node-0"], lambda: None)
        assert release.ids()[f"{RELEASE}-node-1"] == before[f"{RELEASE}-node-1"]


def look(release: Release) -> None:
    """What the runbooks and the operator's page look at with kubectl. Metrics of pods (`kubectl top`) are not served here."""
    looks = [shlex.split(line.split("|")[0])[1:] for page in PAGES for line in typed(page, "kubectl")]
    looks = [words for words in looks if words[0] in ("get", "describe", "logs") or words[0] == "exec" and "health" in words]
    assert len(looks) > 5
    for words in looks:
        assert release.kubectl(*words), words


def grow(release: Release, first: set[int]) -> None:
    release.upgrade({"nodes": {"replicas": 4}})
    release.kubectl("exec", f"deploy/{RELEASE}-router", "--", "dnc", "cluster", "plan")
    release.kubectl("exec", f"deploy/{RELEASE}-router", "--", "dnc", "cluster", "apply", "--wait")
    (fourth,) = set(release.nodes()) - first
    assert release.nodes()[fourth] > 0
    release.wait_healthy()


def shrunk(release: Release, first: set[int]) -> None:
    assert set(release.nodes()) == first, "who leaves is let go"
    assert len(release.pods("node")) == 3
    release.kubectl("delete", "pvc", f"data-{RELEASE}-node-3")


def test_a_release_lives_without_a_failed_check_and_loses_nothing(release: Release) -> None:
    with release.step("install"):
        release.install()
    first = set(release.nodes())
    assert len(first) == 3
    with release.step("helm test"):
        release.helm.test(RELEASE, timeout=TIMEOUT_S)
        assert set(release.pods()) == set(release.ids()), "a test that has passed leaves nothing"
    with release.step("lists"):
        load_lists(release)
        release.done("suppress", "add", LISTED, "--reason", "asked", "--added-by", "test")
        release.done("check", CLEAR)

    with load(release) as (callers, by_one_address):
        with release.step("upgrade"):
            before = release.ids()
            release.upgrade({"image": {"tag": "second"}})
            assert not set(before.values()) & set(release.ids().values()), "each pod is another one"
            assert set(release.nodes()) == first, "a node that restarts is the same node"
        lose_pods(release)
        disrupt(release)
        with release.step("what pages tell to type"):
            look(release)
        with release.step("3 -> 4 nodes"):
            of_three = release.revision()
            grow(release, first)
        with release.step("4 -> 3 nodes"):
            release.upgrade({"nodes": {"replicas": 3}})
            shrunk(release, first)
        with release.step("3 -> 4 nodes again"):
            grow(release, first)
        with release.step("4 -> 3 nodes by rollback"):
            release.rollback(of_three)
            shrunk(release, first)
        with callers.while_down(), by_one_address.while_down():
            with release.step("uninstall"):
                release.uninstall()
            with release.step("install on the same volumes"):
                release.install()
                assert set(release.nodes()) == first, "the same cluster: a second install founds none"
        with release.step("nothing is lost"):
            acknowledged = [*callers.acknowledged, *by_one_address.acknowledged]
            release.done("check", LISTED, *acknowledged, "--expect", "listed")
            release.done("check", CLEAR)
        with release.step("upgrade of what was installed again"):
            release.upgrade({"image": {"tag": "second"}})

    assert callers.checked > 500 and callers.acknowledged
    assert not callers.failed, f"{len(callers.failed)} of {callers.checked} checks failed: {callers.failed[:3]}"
    acknowledged = [*callers.acknowledged, *by_one_address.acknowledged]
    release.done("check", LISTED, *acknowledged, "--expect", "listed")
