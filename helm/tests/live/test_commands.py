"""Commands that pages tell somebody to type exist, with the flags that they are typed with."""

import re
import shlex
import subprocess

import pytest

from pages import PAGES, typed
from running import DNC


def help_of(words):
    done = subprocess.run([DNC, *words, "--help"], capture_output=True, text=True, timeout=30)
    return done.stdout if done.returncode == 0 else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_tells_to_type_exists(page):
    for line in typed(page, "dnc"):
        # What a shell puts in is not the command's.
        words = shlex.split(re.sub(r"\$\([^)]*\)", "VALUE", line), comments=True)[1:]
        known = help_of(words[:1])
        assert known, f"there is no such command: {line}"
        deeper = help_of(words[:2]) if "\nCommands:" in known else None
        known = deeper or known
        for flag in (word.split("=")[0] for word in words if word.startswith("-")):
            assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", known), f"{flag} is unknown: {line}"
