"""What no schema sees: that the objects belong together."""

import tomllib

from chart import NAMESPACE, RELEASE, config, containers, matches, named, of_kind, pod_specs, workloads


def template(workload):
    return workload["spec"]["template"]


def ports_of(spec):
    return {port["name"]: port["containerPort"] for one in spec["containers"] for port in one.get("ports", [])}


def test_selectors_match_the_labels_of_their_own_pods_and_of_no_others(objects):
    for one in workloads(objects):
        selected = [
            other["metadata"]["name"]
            for other in workloads(objects)
            if matches(one["spec"]["selector"], template(other)["metadata"]["labels"])
        ]
        assert selected == [one["metadata"]["name"]]


def test_every_service_selects_pods_that_have_its_ports(objects):
    for service in of_kind(objects, "Service"):
        spec = service["spec"]
        backends = [one for one in workloads(objects) if matches(spec["selector"], template(one)["metadata"]["labels"])]
        assert len(backends) == 1, service["metadata"]["name"]
        ports = ports_of(template(backends[0])["spec"])
        for port in spec["ports"]:
            assert port["targetPort"] in ports, service["metadata"]["name"]
            assert port["name"] == port["targetPort"], "ports have one name everywhere"
            assert port["protocol"] == "TCP"
        if spec.get("clusterIP") == "None":
            # Without a virtual address nothing maps one port to another.
            assert all(port["port"] == ports[port["targetPort"]] for port in spec["ports"])


def test_statefulsets_name_a_headless_service_that_publishes_members_that_are_not_ready(objects):
    for one in of_kind(objects, "StatefulSet"):
        service = named(objects, "Service", one["spec"]["serviceName"])
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["publishNotReadyAddresses"] is True
        assert one["spec"]["podManagementPolicy"] == "Parallel", "the first start needs all voters at once"


def test_disruption_budgets_select_pods_and_keep_a_majority(objects):
    budgets = of_kind(objects, "PodDisruptionBudget")
    assert len(budgets) == len(workloads(objects))
    for budget in budgets:
        selected = [
            one for one in workloads(objects) if matches(budget["spec"]["selector"], template(one)["metadata"]["labels"])
        ]
        assert len(selected) == 1
        if selected[0]["kind"] == "StatefulSet" and selected[0]["spec"]["replicas"] >= 3:
            assert budget["spec"]["maxUnavailable"] <= (selected[0]["spec"]["replicas"] - 1) // 2


def test_addresses_in_the_settings_are_pods_behind_a_service_at_its_ports(objects):
    """A name that nobody answers to is found out by waiting for ever: better here."""
    known = set()
    for one in of_kind(objects, "StatefulSet"):
        name = one["metadata"]["name"]
        service = named(objects, "Service", one["spec"]["serviceName"])
        for at in range(one["spec"]["replicas"]):
            for port in service["spec"]["ports"]:
                known.add(f"{name}-{at}.{service['metadata']['name']}.{NAMESPACE}.svc.cluster.local:{port['port']}")
    meta = tomllib.loads(config(objects, "meta"))
    voters = [voter.split("=")[1].split("/") for voter in meta["voters"]]
    assert len(voters) == named(objects, "StatefulSet", f"{RELEASE}-meta")["spec"]["replicas"]
    assert [voter.split("=")[0] for voter in meta["voters"]] == [str(at + 1) for at in range(len(voters))]
    router = tomllib.loads(config(objects, "router"))
    node = tomllib.loads(config(objects, "node"))
    for address in [*sum(voters, []), *router["meta"], *router["nodes"], *node["meta"]]:
        assert address in known, address
    # A voter knows which one it is by its host name, which is its pod's.
    for at, (service, _) in enumerate(voters):
        assert service.split(".")[0] == f"{RELEASE}-meta-{at}"


def test_listening_ports_are_the_ports_of_the_containers(objects):
    for role, keys in {
        "meta": {"listen": "grpc", "raft_listen": "raft", "http_listen": "http"},
        "node": {"listen": "grpc", "raft_listen": "raft", "http_listen": "http"},
        "router": {"grpc_listen": "grpc", "http_listen": "http"},
    }.items():
        settings = tomllib.loads(config(objects, role))
        one = [w for w in workloads(objects) if w["metadata"]["name"] == f"{RELEASE}-{role}"][0]
        ports = ports_of(template(one)["spec"])
        assert {name: int(settings[key].split(":")[1]) for key, name in keys.items()} == ports


def test_what_pods_mount_exists(objects):
    maps = {one["metadata"]["name"] for one in of_kind(objects, "ConfigMap")}
    for name, spec in pod_specs(objects):
        claims = {"data"} if name.startswith("StatefulSet") else set()
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for container in containers(spec):
            for mount in container.get("volumeMounts", []):
                assert mount["name"] in volumes or mount["name"] in claims, f"{name}: {mount['name']}"
        for volume in volumes.values():
            if "configMap" in volume and volume["name"] == "config":
                assert volume["configMap"]["name"] in maps


def test_network_policies_let_through_what_members_need_and_no_more(objects):
    policies = of_kind(objects, "NetworkPolicy")
    if not policies:
        return
    labels = {w["metadata"]["name"].removeprefix(f"{RELEASE}-"): template(w)["metadata"]["labels"] for w in workloads(objects)}

    def allowed(policy, role, port):
        for rule in policy["spec"]["ingress"]:
            if port in [one["port"] for one in rule["ports"]]:
                peers = rule.get("from")
                if peers is None:
                    return True
                return any("podSelector" in peer and matches(peer["podSelector"], labels[role]) for peer in peers)
        return False

    meta, node = (named(objects, "NetworkPolicy", f"{RELEASE}-{role}") for role in ("meta", "node"))
    for role in ("meta", "node", "router"):
        assert allowed(meta, role, 7410) and allowed(node, role, 7420)
    assert allowed(meta, "meta", 7411) and not allowed(meta, "router", 7411) and not allowed(meta, "node", 7411)
    assert allowed(node, "node", 7421) and not allowed(node, "router", 7421) and not allowed(node, "meta", 7421)
    assert {p["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for p in policies} == set(labels)


def test_the_service_monitor_finds_each_process_once(objects):
    for monitor in of_kind(objects, "ServiceMonitor"):
        selector = monitor["spec"]["selector"]
        (roles,) = selector["matchExpressions"]
        found = [
            service
            for service in of_kind(objects, "Service")
            if matches(selector, service["metadata"]["labels"])
            and service["metadata"]["labels"][roles["key"]] in roles["values"]
        ]
        assert sorted(service["metadata"]["name"] for service in found) == [f"{RELEASE}-{r}" for r in ("meta", "node", "router")]
        for service in found:
            assert monitor["spec"]["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]
