"""One machine for the whole test, with volumes made and names answered.

KUBERNETES names the folder of its binaries, DNC the binary for commands; DOCKER_HOST an engine that has the images."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path[:0] = [str(Path(__file__).parent.parent)]

from machine import Machine  # noqa: E402 (what it uses is found by the line above)
from names import Names  # noqa: E402


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    asked = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    bridge = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    machine = Machine(tmp_path_factory.mktemp("machine"), Path(os.environ["KUBERNETES"]), bridge)
    names = None
    try:
        machine.start()
        machine.volumes(8)
        names = Names(bridge, lambda: machine.get("/api/v1/endpoints"))
        yield machine
    finally:
        if names:
            names.stop()
        machine.stop()
