"""What the chart promises: nothing is lost by an upgrade, and nothing runs with more rights than it needs."""

import pytest

from chart import RELEASE, containers, named, of_kind, pod_specs, render, workloads


def test_every_pod_runs_without_rights(objects):
    for name, spec in pod_specs(objects):
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] and pod["seccompProfile"]["type"] == "RuntimeDefault", name
        assert spec["automountServiceAccountToken"] is False, name
        # Kubernetes would set DNC_... variables for a Service named dnc, and they would be taken for settings.
        assert spec["enableServiceLinks"] is False, name
        for container in containers(spec):
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"], name
            assert rights["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["requests"] and container["resources"]["limits"]["memory"], name


def test_no_container_needs_a_shell(objects):
    for name, spec in pod_specs(objects):
        for container in containers(spec):
            assert "command" not in container and container["args"][0] not in ("sh", "/bin/sh"), name


def test_probes_ask_what_the_process_serves(objects):
    for one in workloads(objects):
        (container,) = one["spec"]["template"]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        paths = {}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            get = container[probe]["httpGet"]
            assert get["port"] in ports
            paths[probe] = get["path"]
        assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def test_a_start_may_take_as_long_as_it_was_given():
    objects = render({"nodes": {"startSeconds": 7200}})
    (container,) = named(objects, "StatefulSet", f"{RELEASE}-node")["spec"]["template"]["spec"]["containers"]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 7200


def test_nothing_that_stops_a_pod_takes_a_member_out(objects):
    """A rolling upgrade stops every pod once. Only the gate, which knows who is to leave for good, lets nodes go."""
    for one in workloads(objects):
        (container,) = one["spec"]["template"]["spec"]["containers"]
        assert set(container.get("lifecycle", {})) <= {"preStop"}
        assert set(container.get("lifecycle", {}).get("preStop", {})) <= {"sleep"}
        assert one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 10
    for one in of_kind(objects, "StatefulSet"):
        assert one["spec"]["updateStrategy"] == {"type": "RollingUpdate"}


def test_routers_are_replaced_only_when_others_are_ready(objects):
    router = named(objects, "Deployment", f"{RELEASE}-router")
    assert router["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_volumes_are_kept_unless_somebody_says_otherwise(default_objects):
    for one in of_kind(default_objects, "StatefulSet"):
        policy = one["spec"]["persistentVolumeClaimRetentionPolicy"]
        assert policy == {"whenDeleted": "Retain", "whenScaled": "Retain"}


@pytest.mark.parametrize("replicas", [3, 5])
def test_an_upgrade_and_a_rollback_let_go_the_nodes_beyond_those_that_stay_and_no_others(replicas):
    gate = named(render({"nodes": {"replicas": replicas}}, upgrade=True), "Job", f"{RELEASE}-upgrade")
    assert gate["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade,pre-rollback"
    spec = gate["spec"]["template"]["spec"]
    (healthy,) = spec["initContainers"]
    assert healthy["args"] == ["cluster", "status"]
    (let_go,) = spec["containers"]
    args = let_go["args"]
    assert args[:5] == ["cluster", "decommission", "--wait", "--limit", "3600"]
    pods = [int(address.split(".")[0].removeprefix(f"{RELEASE}-node-")) for address in args[5:]]
    assert pods == list(range(replicas, replicas + 8))


def test_growing_does_not_touch_the_voters():
    """A voter restarts only for what concerns it."""
    def annotations(values):
        return named(render(values), "StatefulSet", f"{RELEASE}-meta")["spec"]["template"]["metadata"]["annotations"]

    assert annotations({}) == annotations({"nodes": {"replicas": 9}})
    assert annotations({}) != annotations({"meta": {"config": {"raft": {"heartbeat_ms": 200}}}})


def test_the_test_leaves_the_number_as_it_was(default_objects):
    steps = [one["args"] for one in containers(named(default_objects, "Pod", f"{RELEASE}-test")["spec"])]
    assert [step[0] for step in steps] == ["suppress", "check", "suppress", "check"]
    assert steps[0][1] == "add" and steps[2][1] == "remove" and steps[0][2] == steps[2][2]
