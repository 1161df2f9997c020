"""One machine for the whole test, with volumes made and names answered.

KUBERNETES names the folder of its binaries, DNC the binary for commands; DOCKER_HOST an engine that has the images."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path[:0] = [str(Path(__file__).parent.parent)]

from machine import Machine  # noqa: E402 (what it uses is found by the line above)
from names import Names  # noqa: E402

# Three voters, three nodes, and a fourth one twice.
VOLUMES = 8


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    asked = subprocess.run(["ip", "-json", "-4", "address", "show", "docker0"], check=True, capture_output=True, text=True)
    bridge = json.loads(asked.stdout)[0]["addr_info"][0]["local"]
    folder = tmp_path_factory.mktemp("machine")
    machine = Machine(folder, Path(os.environ["KUBERNETES"]), bridge)
    names = None
    try:
        machine.start()
        machine.volumes(VOLUMES)
        names = Names(folder, bridge, machine.api)
        yield machine
    finally:
        if names:
            names.stop()
        machine.stop()
