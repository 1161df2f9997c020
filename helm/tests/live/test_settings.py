"""The binary takes the settings that the chart writes: each key, and each value's type."""

import subprocess

import pytest

from chart import MATRIX, config, load_values, render
from running import DNC

# All settings have been read when an address turns out to be none.
NOT_AN_ADDRESS = "127.0.0.1;0"


@pytest.mark.parametrize("role", ["meta", "node", "router"])
@pytest.mark.parametrize("path", MATRIX, ids=lambda path: path.stem)
def test_the_binary_takes_the_settings(path, role, tmp_path):
    file = tmp_path / f"{role}.toml"
    file.write_text(config(render(load_values(path)), role))
    arguments = [DNC, role, "--config", str(file), "--http-listen", NOT_AN_ADDRESS]
    if role != "router":
        arguments += ["--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--raft-listen", "127.0.0.1:0"]
    else:
        arguments += ["--grpc-listen", "127.0.0.1:0"]
    if role == "meta":
        arguments += ["--id", "1"]
    environment = {"DNC_ADVERTISE": "a:1", "DNC_ADVERTISE_RAFT": "a:2"} if role == "node" else {}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and f"cannot listen on `{NOT_AN_ADDRESS}`" in done.stderr, done.stderr
