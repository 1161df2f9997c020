"""A Kubernetes of one machine: etcd, apiserver, controller manager, scheduler, proxy and kubelet, as processes of the test.

There is no network plugin: containers share Docker's bridge, and nothing keeps the chart's NetworkPolicies."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from api import API, TOKEN, Api
from chart import NAMESPACE
from waiting import end, wait_for

NAME = "machine"
STORAGE_CLASS = "by-hand"
KUBECTL_S = 300
SERVICES = "172.31.0.0/16"
ETCD = "http://127.0.0.1:12379"
ETCD_PEERS = "http://127.0.0.1:12380"
# Of the chart's containers.
USER = 65532


class Machine:
    """Its processes. `bridge` is the address of Docker's bridge on this machine."""

    def __init__(self, folder: Path, binaries: Path, bridge: str) -> None:
        self.folder, self.binaries, self.bridge = folder, binaries, bridge
        self.processes: dict[str, subprocess.Popen] = {}
        self.kubeconfig = folder / "kubeconfig"
        self.api = Api()

    def start(self) -> None:
        self.write_files()
        key, certificates = self.folder / "accounts.key", self.folder / "certificates"
        # Its data is of this test alone: it need not survive the machine.
        self.run("etcd", "/usr/bin/etcd", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync",
                 f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}", f"--listen-peer-urls={ETCD_PEERS}",
                 f"--initial-advertise-peer-urls={ETCD_PEERS}", f"--initial-cluster=default={ETCD_PEERS}")
        self.run("kube-apiserver", self.binaries / "kube-apiserver", f"--etcd-servers={ETCD}",
                 f"--service-cluster-ip-range={SERVICES}", "--bind-address=127.0.0.1", "--secure-port=16443",
                 f"--advertise-address={self.bridge}", f"--cert-dir={certificates}",
                 f"--token-auth-file={self.folder}/tokens", "--authorization-mode=AlwaysAllow",
                 "--service-account-issuer=https://machine", f"--service-account-key-file={key}",
                 f"--service-account-signing-key-file={key}", "--kubelet-preferred-address-types=InternalIP")
        self.wait("the apiserver is ready", 90, lambda: self.api.text("/readyz") == "ok")
        with_api = [f"--kubeconfig={self.kubeconfig}"]
        alone = [*with_api, "--leader-elect=false", "--bind-address=127.0.0.1", f"--cert-dir={certificates}"]
        self.run("kube-controller-manager", self.binaries / "kube-controller-manager", *alone,
                 f"--service-account-private-key-file={key}", f"--flex-volume-plugin-dir={self.folder}/plugins")
        self.run("kube-scheduler", self.binaries / "kube-scheduler", *alone)
        self.run("kubelet", self.binaries / "kubelet", *with_api, f"--config={self.folder}/kubelet.json",
                 "--container-runtime=docker", f"--docker-endpoint={os.environ['DOCKER_HOST']}", f"--hostname-override={NAME}",
                 f"--node-ip={self.bridge}", "--pod-infra-container-image=pause:test", f"--root-dir={self.folder}/kubelet",
                 f"--experimental-dockershim-root-directory={self.folder}/dockershim", f"--cert-dir={certificates}")
        self.wait("the machine is ready", 120, self.is_ready)
        # Limits of connections are the whole machine's: they stay as they are.
        self.run("kube-proxy", self.binaries / "kube-proxy", *with_api, f"--hostname-override={NAME}", "--proxy-mode=iptables",
                 "--bind-address=127.0.0.1", "--oom-score-adj=0", "--conntrack-max-per-core=0", "--conntrack-min=0",
                 "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0")
        # What this machine itself sends to a Service has to begin somewhere.
        subprocess.run(["ip", "route", "add", SERVICES, "dev", "docker0"], check=True)
        self.wait("accounts are made", 60, lambda: self.api.get("/api/v1/namespaces/default/serviceaccounts/default"))

    def write_files(self) -> None:
        (self.folder / "tokens").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        (self.folder / "resolv.conf").write_text("")
        subprocess.run(["openssl", "genrsa", "-out", self.folder / "accounts.key", "2048"], check=True, capture_output=True)
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": API, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin", "namespace": NAMESPACE}}],
        }))
        (self.folder / "kubelet.json").write_text(json.dumps({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"}, "address": "0.0.0.0", "healthzPort": 0, "readOnlyPort": 0,
            "failSwapOn": False, "cgroupDriver": "cgroupfs", "cgroupsPerQOS": False, "enforceNodeAllocatable": [],
            "clusterDNS": [self.bridge], "clusterDomain": "cluster.local", "resolvConf": f"{self.folder}/resolv.conf",
            "volumePluginDir": f"{self.folder}/plugins",
            # These have folders of fixed names, which the machine may not have.
            "featureGates": {"DevicePlugins": False, "KubeletPodResources": False},
            # It may not protect itself, and a disk that others fill is not the matter here.
            "oomScoreAdj": 0, "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "50Mi"},
            "imageGCHighThresholdPercent": 100,
        }))

    def run(self, name: str, *arguments: Any) -> None:
        log = (self.folder / f"{name}.log").open("w")
        self.processes[name] = subprocess.Popen(list(map(str, arguments)), stdout=log, stderr=log, cwd=self.folder)

    def kubectl(self, *arguments: str) -> str:
        asked = [str(self.binaries / "kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=KUBECTL_S)
        assert done.returncode == 0, f"kubectl {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def wait(self, what: str, seconds: float, condition: Any) -> None:
        def come() -> Any:
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            assert not ended, f"{ended} ended before this: {what}\n{self.last_words()}"
            return condition()

        wait_for(what, seconds, come, self.last_words)

    def last_words(self) -> str:
        """What the processes said last; most, of those that have ended."""
        told = []
        for name, process in self.processes.items():
            lines = (self.folder / f"{name}.log").read_text().splitlines()
            told += [f"--- {name}: {process.poll()}", *(line[:300] for line in lines[-8 if process.poll() is None else -30 :])]
        return "\n".join(told)

    def stop(self) -> None:
        # The kubelet first: it would start again what is stopped.
        for process in reversed(self.processes.values()):
            end(process)
        containers = subprocess.run(["docker", "ps", "--quiet"], check=True, capture_output=True, text=True).stdout.split()
        if containers:
            subprocess.run(["docker", "kill", *containers], check=False, capture_output=True)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            mounted = line.split()[1]
            if mounted.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", mounted], check=False)

    def is_ready(self) -> bool:
        node = self.api.get(f"/api/v1/nodes/{NAME}")
        conditions = node["status"].get("conditions", []) if node else []
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def volumes(self, count: int) -> None:
        """Volumes are made by hand: nothing here provides them."""
        for at in range(count):
            path = self.folder / "volumes" / str(at)
            path.mkdir(parents=True)
            os.chown(path, USER, USER)
            self.api.post("/api/v1/persistentvolumes", {
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"volume-{at}"},
                "spec": {"capacity": {"storage": "100Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": str(path)},
                         "storageClassName": STORAGE_CLASS, "persistentVolumeReclaimPolicy": "Retain"},
            })
