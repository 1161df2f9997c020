"""A Kubernetes of one machine: etcd, apiserver, controller manager, scheduler and kubelet, as processes of the test.

There is no kube-proxy and no network plugin: containers share Docker's bridge, and `names` resolves a Service to the addresses
of its pods."""

import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable

TOKEN = "of-this-test"
STORAGE_CLASS = "by-hand"


def wait_for(what: str, seconds: float, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.3)


class Machine:
    """Its processes, and a way to ask the apiserver. `bridge` is the address of Docker's bridge on this machine."""

    def __init__(self, folder: Path, binaries: Path, bridge: str) -> None:
        self.folder, self.binaries, self.bridge = folder, binaries, bridge
        self.processes: list[subprocess.Popen] = []
        self.kubeconfig = folder / "kubeconfig"
        self.api = "https://127.0.0.1:16443"
        self.tls = ssl._create_unverified_context()  # Its certificate is made by itself, for loopback.

    def start(self) -> None:
        self.write_files()
        self.run("etcd", "/usr/bin/etcd", "--data-dir", self.folder / "etcd",
                 "--listen-client-urls=http://127.0.0.1:12379", "--advertise-client-urls=http://127.0.0.1:12379",
                 "--listen-peer-urls=http://127.0.0.1:12380", "--initial-advertise-peer-urls=http://127.0.0.1:12380",
                 "--initial-cluster=default=http://127.0.0.1:12380", "--unsafe-no-fsync")
        key = self.folder / "accounts.key"
        self.run("kube-apiserver", self.binaries / "kube-apiserver", "--etcd-servers=http://127.0.0.1:12379",
                 "--service-cluster-ip-range=172.31.0.0/16", "--bind-address=127.0.0.1", "--secure-port=16443",
                 f"--advertise-address={self.bridge}", f"--cert-dir={self.folder}/certificates",
                 f"--token-auth-file={self.folder}/tokens", "--authorization-mode=AlwaysAllow",
                 "--service-account-issuer=https://machine", f"--service-account-key-file={key}",
                 f"--service-account-signing-key-file={key}", "--allow-privileged=false")
        wait_for("the apiserver is ready", 90, lambda: self.text("/readyz") == "ok")
        self.run("kube-controller-manager", self.binaries / "kube-controller-manager", f"--kubeconfig={self.kubeconfig}",
                 f"--service-account-private-key-file={key}", "--leader-elect=false", "--bind-address=127.0.0.1",
                 f"--cert-dir={self.folder}/certificates", "--pod-eviction-timeout=30s")
        self.run("kube-scheduler", self.binaries / "kube-scheduler", f"--kubeconfig={self.kubeconfig}",
                 "--leader-elect=false", "--bind-address=127.0.0.1", f"--cert-dir={self.folder}/certificates")
        self.run("kubelet", self.binaries / "kubelet", f"--kubeconfig={self.kubeconfig}", f"--config={self.folder}/kubelet.json",
                 "--container-runtime=docker", f"--docker-endpoint={os.environ['DOCKER_HOST']}", "--hostname-override=machine",
                 "--pod-infra-container-image=pause:test", f"--root-dir={self.folder}/kubelet",
                 f"--cert-dir={self.folder}/certificates", "--node-labels=topology.kubernetes.io/zone=here")
        wait_for("the machine is ready", 120, self.is_ready)
        wait_for("accounts are made", 60, lambda: self.get("/api/v1/namespaces/default/serviceaccounts/default"))

    def write_files(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "tokens").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        (self.folder / "resolv.conf").write_text("")
        subprocess.run(["openssl", "genrsa", "-out", self.folder / "accounts.key", "2048"], check=True, capture_output=True)
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.api, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }))
        (self.folder / "kubelet.json").write_text(json.dumps({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"}, "address": "127.0.0.1", "healthzPort": 0, "readOnlyPort": 0,
            "failSwapOn": False, "cgroupDriver": "cgroupfs", "cgroupsPerQOS": False, "enforceNodeAllocatable": [],
            "clusterDNS": [self.bridge], "clusterDomain": "cluster.local", "resolvConf": f"{self.folder}/resolv.conf",
            # It may not protect itself, and a disk that others fill is not the matter here.
            "oomScoreAdj": 0, "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "50Mi"},
            "imageGCHighThresholdPercent": 100, "syncFrequency": "5s",
        }))

    def run(self, name: str, *arguments: Any) -> None:
        log = (self.folder / f"{name}.log").open("w")
        self.processes.append(subprocess.Popen(list(map(str, arguments)), stdout=log, stderr=log, cwd=self.folder))

    def stop(self) -> None:
        # The kubelet first: it would start again what is stopped.
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            mounted = line.split()[1]
            if mounted.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", mounted], check=False)

    def is_ready(self) -> bool:
        node = self.get("/api/v1/nodes/machine")
        conditions = node["status"].get("conditions", []) if node else []
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def volumes(self, count: int) -> None:
        """Volumes are made by hand: nothing here provides them."""
        for at in range(count):
            path = self.folder / "volumes" / str(at)
            path.mkdir(parents=True)
            os.chown(path, 65532, 65532)
            self.post("/api/v1/persistentvolumes", {
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"volume-{at}"},
                "spec": {"capacity": {"storage": "100Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": str(path)},
                         "storageClassName": STORAGE_CLASS, "persistentVolumeReclaimPolicy": "Retain"},
            })

    # What is asked of the apiserver.

    def ask(self, method: str, path: str, body: Any = None) -> str | None:
        request = urllib.request.Request(self.api + path, method=method, headers={"Authorization": f"Bearer {TOKEN}"})
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.tls) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refused:
            assert refused.code in (404, 409, 500, 503), f"{path}: {refused.read().decode()}"
        except OSError:
            pass
        return None

    def text(self, path: str) -> str | None:
        return self.ask("GET", path)

    def get(self, path: str) -> Any:
        found = self.ask("GET", path)
        return json.loads(found) if found else None

    def post(self, path: str, body: Any) -> None:
        assert self.ask("POST", path, body), f"{path} was refused"

    def delete(self, path: str) -> None:
        self.ask("DELETE", path)

    def logs(self, namespace: str) -> str:
        """The last lines of every pod, for whoever looks why a test failed."""
        pods = (self.get(f"/api/v1/namespaces/{namespace}/pods") or {"items": []})["items"]
        told = []
        for pod in pods:
            name, status = pod["metadata"]["name"], pod["status"]
            told.append(f"--- {name}: {status.get('phase')} {json.dumps(status.get('containerStatuses', []))[:400]}")
            told.append((self.text(f"/api/v1/namespaces/{namespace}/pods/{name}/log?tailLines=8") or "")[:2000])
        return "\n".join(told)
