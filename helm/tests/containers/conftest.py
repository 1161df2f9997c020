"""One release in one engine. DNC names the binary for commands; DOCKER_HOST an engine that has the image."""

import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path[:0] = [str(Path(__file__).parent.parent)]

from pods import Release  # noqa: E402 (what it uses is found by the line above)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    folder = tmp_path_factory.mktemp("settings")
    # The containers' user reads them.
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    release = Release(folder)
    try:
        yield release
    finally:
        release.end()
