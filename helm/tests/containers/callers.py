"""Callers that check and opt out while the cluster is changed under them, as the documented policy wants it: every ready router is
known, and another one is asked when one fails."""

import os
import subprocess
import threading
from typing import Callable

DNC = os.environ["DNC"]
LISTED, CLEAR = "+12015550123", "+12015550177"
LIMIT_S = 30


def dnc(routers: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DNC_ROUTER": ",".join(f"http://{one}:7400" for one in routers)}
    return subprocess.run([DNC, *arguments], env=environment, capture_output=True, text=True, timeout=LIMIT_S)


class Callers:
    """Checks one number that is listed and one that is clear, again and again, and opts others out."""

    def __init__(self, routers: Callable[[], list[str]]) -> None:
        self.routers = routers
        self.checked = 0
        self.failed: list[str] = []
        self.acknowledged: list[str] = []
        self.refused = 0
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=work) for work in (self.check, self.opt_out)]

    def __enter__(self) -> "Callers":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def check(self) -> None:
        while not self.ended.wait(0.05):
            for number, expected in ((LISTED, "listed"), (CLEAR, "clear")):
                routers = self.routers()
                done = dnc(routers, "check", number, "--expect", expected)
                self.checked += 1
                if done.returncode != 0:
                    self.failed.append(f"{expected} by {routers}: {done.stdout}{done.stderr}")

    def opt_out(self) -> None:
        """An opt-out may have to wait for an election, and fail; one that was acknowledged must hold."""
        at = 0
        while not self.ended.wait(0.3):
            number, at = f"+1201556{at:04}", at + 1
            done = dnc(self.routers(), "suppress", "add", number, "--reason", "asked", "--added-by", "test")
            if done.returncode == 0:
                self.acknowledged.append(number)
            else:
                self.refused += 1
