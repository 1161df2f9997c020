"""A cluster in one process with something of everything in it, and a Prometheus that scrapes it and evaluates the rules.

DNC names the binary."""

import datetime
import json
import os
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from observability import ROOT, RULES
from waiting import wait_for

DEADLINE_S = 90
DNC = os.environ.get("DNC", str(ROOT / "target" / "release" / "dnc"))
# Quick, so that the functions over five minutes have their samples soon.
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: dnc-dev
    static_configs: [{{targets: ["{target}"]}}]
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.read().decode()
    except urllib.error.URLError:
        return ""


class Cluster:
    """A `dnc dev`."""

    def __init__(self, folder: Path) -> None:
        self.grpc, self.http = free_port(), free_port()
        arguments = ["--data-dir", folder / "data", "--grpc-listen", f"127.0.0.1:{self.grpc}"]
        arguments += ["--http-listen", f"127.0.0.1:{self.http}"]
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([DNC, "dev", *arguments], stdout=log, stderr=log)
        self.environment = os.environ | {"DNC_ROUTER": f"http://127.0.0.1:{self.grpc}"}
        wait_for("the cluster is ready", DEADLINE_S, lambda: "\nready" in "\n" + self.log.read_text())

    def run(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run([DNC, *arguments], env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def fill(self) -> None:
        """What a dashboard shows exists only once it has happened: a list, an opt-out, an exemption, a rule."""
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        samples = ROOT / "docs" / "samples"
        self.run("import", "--list-date", today, "--covers", "201", str(samples / "internal.csv"))
        self.run("suppress", "add", "+12015550123", "--reason", "asked", "--added-by", "test")
        self.run("rule", "add", "prefix", "201777", "--description", "a hospital", "--author", "test")
        self.run("exempt", "grant", "+12015550100", "--ground", "consent", "--since", today, "--granted-by", "test", "--proof", "a form")

    def check(self) -> None:
        """Checks of every kind, an error among them."""
        self.run("check", "+12015550123", "+12015550177", "+12125550100", code=1)
        self.run("check", "+12015550123", "--expect", "listed")
        get(f"http://127.0.0.1:{self.http}/api/v1/dnc/check/12015550188")
        get(f"http://127.0.0.1:{self.http}/api/v1/dnc/check/nonsense")


class Prometheus:
    """A Prometheus that scrapes a cluster."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        rules = ", ".join(f'"{path}"' for path in RULES)
        (folder / "prometheus.yml").write_text(CONFIG.format(rules=rules, target=f"127.0.0.1:{cluster.http}"))
        self.port = free_port()
        arguments = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
        arguments += [f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"]
        self.process = subprocess.Popen(["prometheus", *arguments])
        wait_for("Prometheus is ready", DEADLINE_S, lambda: "Ready" in get(f"http://127.0.0.1:{self.port}/-/ready"))

    def query(self, expression: str) -> list[dict]:
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        answer = json.loads(get(url))
        assert answer["status"] == "success", f"{expression}: {answer}"
        return answer["data"]["result"]
