"""One cluster and one Prometheus for all tests of this folder."""

import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from running import DEADLINE_S, Cluster, Prometheus  # noqa: E402 (it uses what the line above finds)
from waiting import end, wait_for  # noqa: E402


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.fill()
        cluster.check()
        yield cluster
    finally:
        end(cluster.process)


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Prometheus]:
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), cluster)
    try:
        wait_for("it has scraped", DEADLINE_S, lambda: bool(prometheus.query("dnc_node_replicas")))
        # Rates need growth between two samples.
        cluster.check()
        wait_for("rules have seen growth", DEADLINE_S, lambda: any(float(one["value"][1]) > 0 for one in prometheus.query("sum(dnc:checks:rate5m)")))
        yield prometheus
    finally:
        end(prometheus.process)
