"""Values that cannot work are refused before anything is installed, with a message that says what is wrong.

Each file under refused/ says in its first line what the message must contain: `# refused: ...`."""

import helm_python
import pytest

from chart import TESTS, load_values, render

REFUSED = sorted((TESTS / "refused").glob("*.yaml"))
assert REFUSED, "nothing to refuse"
MARK = "# refused: "


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_values_that_cannot_work_are_refused(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith(MARK)
    with pytest.raises(helm_python.HelmError) as refused:
        render(load_values(path))
    assert first.removeprefix(MARK) in str(refused.value)


def test_fewer_nodes_than_the_cluster_was_founded_with_are_fine_later():
    values = {"founding": {"initialNodes": 5}, "nodes": {"replicas": 4}}
    with pytest.raises(helm_python.HelmError, match="never be placed"):
        render(values)
    assert render(values, upgrade=True)
