"""One life of a release, under load: installed, upgraded, pods lost, grown, shrunk, rolled back, uninstalled and installed again.

No check may fail while a majority of each shard runs, none may be wrong ever, and nothing that was acknowledged may be lost."""

import contextlib
import datetime
import shlex
import socket
import subprocess
from typing import Iterator

import pytest

from callers import CLEAR, LISTED, Callers, dnc
from chart import RELEASE
from faults import come_back_on_old_data, evict_two, kill, lose_pods, scale_without_asking
from machine import Machine
from observability import ROOT
from pages import PAGES, typed
from release import TIMEOUT_S, Release
from waiting import end, wait_for

# Its volume is of no use to another node.
OF_FOURTH = f"data-{RELEASE}-node-3"


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
        end(forward)


@contextlib.contextmanager
def load(release: Release) -> Iterator[tuple[Callers, Callers]]:
    """Callers who know each router, and others who know the Service's one address."""
    with Callers(release.routers) as callers, Callers(release.address, "+1201557") as by_one_address:
        release.checked = lambda: callers.checked + by_one_address.checked
        try:
            yield callers, by_one_address
        finally:
            print(f"who know each router:  {callers}\nwho know one address:  {by_one_address}")
            for failed in [*callers.failed, *by_one_address.failed][:10]:
                print(f"   {failed}")


def look(release: Release) -> None:
    """What the runbooks and the operator's page look at with kubectl. Metrics of pods (`kubectl top`) are not served here."""
    looks = [shlex.split(line.split("|")[0])[1:] for page in PAGES for line in typed(page, "kubectl")]
    looks = [words for words in looks if words[0] in ("get", "describe", "logs") or words[0] == "exec" and "health" in words]
    assert len(looks) > 5
    for words in looks:
        assert release.kubectl(*words), words


def grow(release: Release, first: set[int]) -> None:
    release.upgrade({"nodes": {"replicas": 4}, "router": {"replicas": 3}})
    assert len(release.routers()) == 3
    release.kubectl("exec", f"deploy/{RELEASE}-router", "--", "dnc", "cluster", "plan")
    release.kubectl("exec", f"deploy/{RELEASE}-router", "--", "dnc", "cluster", "apply", "--wait")
    (fourth,) = set(release.nodes()) - first
    assert release.nodes()[fourth] > 0
    release.wait_healthy()


def shrunk(release: Release, first: set[int]) -> None:
    assert set(release.nodes()) == first, "who leaves is let go"
    assert len(release.pods("node")) == 3


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
        for role in ("node", "meta"):
            evict_two(release, role)
        with release.step("what pages tell to type"):
            look(release)
        with release.step("3 -> 4 nodes"):
            of_three = release.revision()
            grow(release, first)
        with release.step("4 -> 3 nodes"):
            release.upgrade({"nodes": {"replicas": 3}, "router": {"replicas": 2}})
            shrunk(release, first)
        come_back_on_old_data(release)
        release.kubectl("delete", "pvc", OF_FOURTH)
        with release.step("3 -> 4 nodes again"):
            grow(release, first)
        with release.step("4 -> 3 nodes by rollback"):
            release.rollback(of_three)
            shrunk(release, first)
            release.kubectl("delete", "pvc", OF_FOURTH)
        scale_without_asking(release)
        with callers.while_down(), by_one_address.while_down():
            with release.step("all pods are killed at once"):
                kill(release, list(release.ids()))
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

    callers.assert_served()
    by_one_address.assert_served()
    acknowledged = [*callers.acknowledged, *by_one_address.acknowledged]
    release.done("check", LISTED, *acknowledged, "--expect", "listed")
