"""One life of the chart's pods under load: started for the first time, replaced one by one, one more, one less, all stopped and
started again. No check may fail, and nothing that was acknowledged may be lost."""

import datetime
import json
import subprocess
from typing import Any

from callers import CLEAR, LISTED, Callers, dnc
from chart import RELEASE, named, render
from observability import ROOT
from pods import Release, spec_of
from waiting import wait_for

ROLES = ("meta", "node", "router")
VALUES = {"image": {"repository": "dnc", "tag": "latest"}}
HEALTHY_S = 120


def values(nodes: int = 3, **other: Any) -> dict[str, Any]:
    return VALUES | {"nodes": {"replicas": nodes}} | other


def done(release: Release, *arguments: str) -> str:
    ended = dnc(release.addresses("router"), *arguments)
    assert ended.returncode == 0, f"{arguments}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def wait_healthy(release: Release) -> None:
    def status() -> subprocess.CompletedProcess[str]:
        return dnc(release.addresses("router"), "cluster", "status")

    wait_for("the cluster is healthy", HEALTHY_S, lambda: status().returncode == 0, lambda: status().stdout)


def start_all(release: Release) -> None:
    """All at once, as podManagementPolicy says."""
    pods = [(role, pod) for role in ROLES for pod in release.wanted(role)]
    for role, pod in pods:
        release.start(role, pod)
    for role, pod in pods:
        release.wait_ready(role, pod)
    wait_healthy(release)


def replace(release: Release, role: str, pod: str) -> None:
    release.stop(pod)
    release.start(role, pod)
    release.wait_ready(role, pod)


def nodes(release: Release) -> dict[int, int]:
    """How many replicas each node holds."""
    told = json.loads(done(release, "cluster", "nodes", "-o", "json"))
    return {node["node"]: node["replicas"] for node in told["nodes"]}


def test_pods_live_without_a_failed_check_and_lose_nothing(release: Release) -> None:
    release.apply(render(values()))
    start_all(release)
    first = nodes(release)
    assert len(first) == 3 and all(first.values())
    check = named(release.objects, "Pod", f"{RELEASE}-test")
    release.run_to_end("test", spec_of(check))

    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    done(release, "import", "--list-date", today, "--covers", "201", str(ROOT / "docs" / "samples" / "internal.csv"))
    done(release, "suppress", "add", LISTED, "--reason", "asked", "--added-by", "test")
    done(release, "check", CLEAR)

    with Callers(lambda: release.addresses("router")) as callers:
        # An upgrade: the gate, then pod by pod from the last one, each waiting until the one before is ready.
        release.apply(render(values(log="debug"), upgrade=True))
        gate = named(release.objects, "Job", f"{RELEASE}-upgrade")
        release.run_to_end("gate", spec_of(gate))
        for role in ROLES:
            for pod in reversed(release.wanted(role)):
                replace(release, role, pod)
        wait_healthy(release)
        assert set(nodes(release)) == set(first), "a node that restarts is the same node"

        # One more node, and its share.
        release.apply(render(values(nodes=4, log="debug"), upgrade=True))
        release.run_to_end("gate", spec_of(named(release.objects, "Job", f"{RELEASE}-upgrade")))
        (added,) = set(release.wanted("node")) - {f"{RELEASE}-node-{at}" for at in range(3)}
        release.start("node", added)
        release.wait_ready("node", added)
        done(release, "cluster", "apply", "--wait", "--limit", "100")
        (fourth,) = set(nodes(release)) - set(first)
        assert nodes(release)[fourth] > 0

        # One less: the gate empties it before anything is stopped.
        release.apply(render(values(nodes=3, log="debug"), upgrade=True))
        release.run_to_end("gate", spec_of(named(release.objects, "Job", f"{RELEASE}-upgrade")))
        assert set(nodes(release)) == set(first), "who leaves is let go first"
        release.stop(added)
        wait_healthy(release)

    print(callers)
    callers.assert_served()

    # Uninstalled, and installed again on the volumes that were kept.
    for role in reversed(ROLES):
        for pod in release.wanted(role):
            release.stop(pod)
    release.apply(render(values()))
    start_all(release)
    assert set(nodes(release)) == set(first), "the same cluster: a second install founds none"
    done(release, "check", LISTED, *callers.acknowledged, "--expect", "listed")
    done(release, "check", CLEAR)
