"""What pages tell somebody to type."""

import re
from pathlib import Path
from typing import Iterator

from observability import ROOT

PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md")) + [ROOT / "docs" / "operations.md"]
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def typed(page: Path, program: str) -> Iterator[str]:
    """The lines that call this program."""
    for block in BLOCK.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith(f"{program} "):
                yield line
