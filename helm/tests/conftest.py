"""What the tests of the chart share: every file of values under values/ is rendered once."""

import pytest

from chart import MATRIX, Object, load_values, render


@pytest.fixture(scope="session", params=MATRIX, ids=lambda path: path.stem)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return render(load_values(request.param))


@pytest.fixture(scope="session")
def default_objects() -> list[Object]:
    return render({})
