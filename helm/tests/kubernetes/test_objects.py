"""The apiserver takes what the chart renders for its version, with each file of values: fields and their types, and no others."""

import pytest
import yaml

from chart import MATRIX, load_values, render
from machine import Machine

# Kinds that their operator brings.
OF_OTHERS = "monitoring.coreos.com/"


@pytest.mark.parametrize("path", MATRIX, ids=lambda path: path.stem)
def test_the_apiserver_takes_what_is_rendered(path, machine: Machine, tmp_path):
    values = load_values(path) | {"kubeVersion": machine.api.get("/version")["gitVersion"]}
    shown = [one for one in render(values) + render(values, upgrade=True) if not one["apiVersion"].startswith(OF_OTHERS)]
    for one in shown:
        # Where nothing is installed; nothing is made there either.
        one["metadata"]["namespace"] = "default"
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(shown))
    told = machine.kubectl("create", "--dry-run=server", "--filename", str(file))
    assert told.count("(server dry run)") == len(shown) > 10, told
