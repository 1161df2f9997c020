"""What is refused because of what is installed already. The apiserver is one that knows no more than two StatefulSets."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Iterator

import helm_python
import pytest

from chart import CHART, NAMESPACE, RELEASE

INSTALLED = {f"{RELEASE}-meta": 3, f"{RELEASE}-node": 14}
SETS = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/"
GROUP = {"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}]}
ANSWERS = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [GROUP | {"preferredVersion": GROUP["versions"][0]}]},
    "/apis/apps/v1": {
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1",
        "resources": [{"name": "statefulsets", "singularName": "statefulset", "namespaced": True, "kind": "StatefulSet", "verbs": ["get"]}],
    },
    f"/api/v1/namespaces/{NAMESPACE}/secrets": {"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": []},
}


def answer(path: str) -> Any:
    path = path.split("?")[0]
    name = path.removeprefix(SETS)
    if name in INSTALLED:
        return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": {"replicas": INSTALLED[name]}}
    return ANSWERS.get(path)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = answer(self.path)
        body = json.dumps(found or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def helm() -> Iterator[helm_python.Config]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield helm_python.Config(kube_apiserver=f"http://127.0.0.1:{server.server_port}", namespace=NAMESPACE)
    server.shutdown()


def told(helm: helm_python.Config, values: dict[str, Any]) -> str:
    """What a person is told; the dry run fails in any case, for this apiserver can do nothing."""
    try:
        helm.install(CHART, RELEASE, values, dry_run="server")
    except helm_python.HelmError as error:
        return str(error)
    return ""


def test_the_number_of_voters_is_fixed(helm):
    nodes = {"replicas": 14}
    assert "founded with 3 voters: that is fixed for good" in told(helm, {"meta": {"replicas": 5}, "nodes": nodes})
    assert "fixed for good" not in told(helm, {"nodes": nodes})


def test_no_more_nodes_leave_than_the_gate_empties(helm):
    assert "11 nodes are to leave, and one upgrade lets go 8 at most" in told(helm, {"nodes": {"replicas": 3}})
    assert "are to leave" not in told(helm, {"nodes": {"replicas": 6}})


def test_no_node_leaves_without_the_gate(helm):
    gate = {"enabled": False}
    assert "1 nodes would be stopped with their replicas" in told(helm, {"nodes": {"replicas": 13}, "upgradeGate": gate})
    assert "would be stopped" not in told(helm, {"nodes": {"replicas": 14}, "upgradeGate": gate})
