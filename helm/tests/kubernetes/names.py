"""Names of Services and of pods behind them, as a cluster's DNS would answer: dnsmasq, which is told what the apiserver knows."""

import signal
import subprocess
import threading
from pathlib import Path

from api import Api
from chart import Object
from waiting import end

DOMAIN = "svc.cluster.local"
TTL_S = 1


def lines_of(services: list[Object], endpoints: list[Object]) -> list[str]:
    """As in a file of hosts: a Service's own address, or those of its pods; and each pod that has a name behind it."""
    of_their_own = {}
    for one in services:
        address = one["spec"].get("clusterIP")
        if address and address != "None":
            of_their_own[one["metadata"]["namespace"], one["metadata"]["name"]] = address
    lines = [f"{address} {name}.{namespace}.{DOMAIN}" for (namespace, name), address in of_their_own.items()]
    for one in endpoints:
        name, namespace = one["metadata"]["name"], one["metadata"]["namespace"]
        service = f"{name}.{namespace}.{DOMAIN}"
        for subset in one.get("subsets") or []:
            for address in subset.get("addresses") or []:
                if (namespace, name) not in of_their_own:
                    lines.append(f"{address['ip']} {service}")
                if "hostname" in address:
                    lines.append(f"{address['ip']} {address['hostname']}.{service}")
    return sorted(lines)


class Names:
    """The server, on one address."""

    def __init__(self, folder: Path, address: str, api: Api) -> None:
        self.hosts, self.api = folder / "hosts", api
        self.hosts.write_text("")
        self.server = subprocess.Popen([
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--no-hosts", "--no-resolv",
            "--no-poll", "--bind-interfaces", f"--listen-address={address}", f"--addn-hosts={self.hosts}", f"--local-ttl={TTL_S}",
            "--local=/cluster.local/", "--cache-size=0",
        ])
        self.ended = threading.Event()
        self.follower = threading.Thread(target=self.follow)
        self.follower.start()

    def follow(self) -> None:
        known: list[str] = []
        while not self.ended.wait(0.3):
            services, endpoints = self.api.items("/api/v1/services"), self.api.items("/api/v1/endpoints")
            if services is None or endpoints is None:
                continue
            lines = lines_of(services, endpoints)
            if lines != known:
                part = self.hosts.with_suffix(".part")
                part.write_text("".join(f"{line}\n" for line in lines))
                part.rename(self.hosts)
                self.server.send_signal(signal.SIGHUP)
                known = lines

    def stop(self) -> None:
        self.ended.set()
        self.follower.join()
        end(self.server)
