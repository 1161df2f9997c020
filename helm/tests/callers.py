"""Callers that check and opt out while the cluster is changed under them, as the documented policy wants it: every ready router is
known, and another one is asked when one fails."""

import contextlib
import datetime
import os
import subprocess
import threading
from typing import Callable, Iterator

DNC = os.environ["DNC"]
LISTED, CLEAR = "+12015550123", "+12015550177"
LIMIT_S = 30
# A client gives up after a second, and a machine that has too much to do may stand still for as long. Asked again it must answer.
TOO_LATE = "in time"
LATE_MAX = 1 / 1000


def dnc(routers: list[str], *arguments: str, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DNC_ROUTER": ",".join(f"http://{one}:7400" for one in routers)}
    return subprocess.run([DNC, *arguments], env=environment, capture_output=True, text=True, timeout=limit_s)


class Callers:
    """Checks one number that is listed and one that is clear, again and again, and opts others out: those that begin like this."""

    def __init__(self, routers: Callable[[], list[str]], opts_out: str = "+1201556") -> None:
        self.routers, self.opts_out = routers, opts_out
        self.checked = 0
        self.failed: list[str] = []
        self.acknowledged: list[str] = []
        self.refused = 0
        self.unanswered = 0
        self.late = 0
        self.down = threading.Event()
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.go_on, args=[work]) for work in (self.check, self.opt_out)]

    def __enter__(self) -> "Callers":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def __str__(self) -> str:
        return (f"{self.checked} checks, {len(self.failed)} failed, {self.late} late, {self.unanswered} unanswered while all was stopped; "
                f"{len(self.acknowledged)} opt-outs, {self.refused} refused")

    def assert_served(self) -> None:
        assert self.checked > 50 and self.acknowledged, str(self)
        assert not self.failed, f"{self}: {self.failed[:3]}"
        assert self.late <= max(1, self.checked * LATE_MAX), str(self)

    def go_on(self, work: Callable[[], None]) -> None:
        """A caller that gave up would find nothing any more."""
        try:
            work()
        except Exception as error:
            self.failed.append(f"a caller gave up: {error!r}")

    @contextlib.contextmanager
    def while_down(self) -> Iterator[None]:
        """What is stopped on purpose need not answer; what it does answer must still be right."""
        self.down.set()
        try:
            yield
        finally:
            self.down.clear()

    def check(self) -> None:
        while not self.ended.wait(0.05):
            for number, expected in ((LISTED, "listed"), (CLEAR, "clear")):
                routers, down = self.routers(), self.down.is_set()
                done = dnc(routers, "check", number, "--expect", expected)
                self.checked += 1
                if TOO_LATE in done.stderr and not down:
                    self.late += 1
                    done = dnc(routers, "check", number, "--expect", expected)
                answered = done.returncode == 1 and "unknown" not in done.stdout.lower()
                if done.returncode != 0 and (down or self.down.is_set()) and not answered:
                    self.unanswered += 1
                elif done.returncode != 0:
                    now = datetime.datetime.now(datetime.UTC).time()
                    self.failed.append(f"{now} {expected} by {routers}: {done.stdout}{done.stderr}")

    def opt_out(self) -> None:
        """An opt-out may have to wait for an election, and fail; one that was acknowledged must hold."""
        at = 0
        while not self.ended.wait(0.3):
            number, at, down = f"{self.opts_out}{at:04}", at + 1, self.down.is_set()
            done = dnc(self.routers(), "suppress", "add", number, "--reason", "asked", "--added-by", "test")
            if done.returncode == 0:
                self.acknowledged.append(number)
            elif not down and not self.down.is_set():
                self.refused += 1
