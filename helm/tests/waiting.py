"""Waiting for a condition, and for a process to end. Both have a limit."""

import subprocess
import time
from typing import Any, Callable

PAUSE_S = 0.3


def wait_for(what: str, seconds: float, condition: Callable[[], Any], told: Callable[[], str] = str) -> Any:
    """Gives what the condition gives, as soon as that is something; in time it must be. `told` says how things stand if it is not."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{told()}"
        time.sleep(PAUSE_S)


def end(process: subprocess.Popen, seconds: float = 30) -> None:
    """It is told to stop, and killed if it does not."""
    process.terminate()
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)
