"""Names of Services and of pods behind them, answered over DNS from the apiserver's endpoints, as a cluster's DNS would.

A Service's name gives the addresses of its pods, headless or not: nothing here forwards a virtual address."""

import socket
import struct
import threading
from typing import Any, Callable

A, ANY_CLASS, NXDOMAIN = 1, 1, 3
TTL_S = 1


def addresses_of(endpoints: dict[str, Any]) -> dict[str, list[str]]:
    """Names in lower case, without the last dot."""
    known: dict[str, list[str]] = {}
    for one in endpoints["items"]:
        service = f"{one['metadata']['name']}.{one['metadata']['namespace']}.svc.cluster.local"
        for subset in one.get("subsets") or []:
            for address in subset.get("addresses") or []:
                known.setdefault(service, []).append(address["ip"])
                if "hostname" in address:
                    known.setdefault(f"{address['hostname']}.{service}", []).append(address["ip"])
    return known


def question(query: bytes) -> tuple[str, int, int]:
    """The name that is asked for, the type, and where the question ends."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    return ".".join(labels).lower(), kind, at + 5


def answer(query: bytes, known: dict[str, list[str]]) -> bytes:
    name, kind, end = question(query)
    found = known.get(name)
    addresses = found if found and kind == A else []
    code = 0 if found else NXDOMAIN
    head = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(addresses), 0, 0)
    records = [b"\xc0\x0c" + struct.pack("!HHIH", A, ANY_CLASS, TTL_S, 4) + socket.inet_aton(one) for one in addresses]
    return head + query[12:end] + b"".join(records)


class Names:
    """The server, on one address at port 53."""

    def __init__(self, address: str, endpoints: Callable[[], Any]) -> None:
        self.endpoints = endpoints
        self.known: dict[str, list[str]] = {}
        self.ended = threading.Event()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.socket.settimeout(0.5)
        self.threads = [threading.Thread(target=work) for work in (self.follow, self.serve)]
        for thread in self.threads:
            thread.start()

    def follow(self) -> None:
        while not self.ended.wait(0.3):
            endpoints = self.endpoints()
            if endpoints:
                self.known = addresses_of(endpoints)

    def serve(self) -> None:
        while not self.ended.is_set():
            try:
                query, asker = self.socket.recvfrom(512)
                self.socket.sendto(answer(query, self.known), asker)
            except (TimeoutError, IndexError, struct.error):
                continue

    def stop(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()
        self.socket.close()
