"""The chart's pods as containers: what Kubernetes would start, started by Docker alone, with the same settings, names, rights and
volumes. What schedules, probes and replaces pods is not here: the test does that by hand."""

import subprocess
from pathlib import Path
from typing import Any

from chart import NAMESPACE, Object, containers, matches, of_kind
from waiting import wait_for

NETWORK = "chart"
DOMAIN = f"{NAMESPACE}.svc.cluster.local"
START_S = 120
STOP_S = 30


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=STOP_S + START_S)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return (done.stdout + done.stderr).strip() if done.returncode == 0 else ""


class Release:
    """What is installed: the objects that were rendered last, and the pods that run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: list[Object] = []
        docker("network", "create", NETWORK)

    def apply(self, objects: list[Object]) -> None:
        """Takes new objects; pods that run are those of before until they are replaced."""
        self.objects = objects
        for one in of_kind(objects, "ConfigMap"):
            folder = self.folder / one["metadata"]["name"]
            folder.mkdir(exist_ok=True)
            for name, text in one["data"].items():
                (folder / name).write_text(text)

    def workload(self, role: str) -> Object:
        (found,) = [one for one in of_kind(self.objects, "StatefulSet") + of_kind(self.objects, "Deployment")
                    if one["metadata"]["name"].endswith(f"-{role}")]
        return found

    def wanted(self, role: str) -> list[str]:
        one = self.workload(role)
        return [f"{one['metadata']['name']}-{at}" for at in range(one["spec"]["replicas"])]

    def start(self, role: str, pod: str) -> None:
        template = self.workload(role)["spec"]["template"]
        (container,) = template["spec"]["containers"]
        self.run(pod, template["spec"], container, self.names(pod, template["metadata"]["labels"]), "--detach")

    def names(self, pod: str, labels: Object) -> list[str]:
        """Names by which others find it: each Service that selects it, and its own behind a headless one."""
        found = []
        for service in of_kind(self.objects, "Service"):
            if matches(service["spec"]["selector"], labels):
                name = service["metadata"]["name"]
                found += [name, f"{name}.{DOMAIN}", f"{pod}.{name}.{DOMAIN}"]
        return found

    def run(self, name: str, spec: Object, container: Object, aliases: list[str], *flags: str) -> str:
        pod, rights = spec["securityContext"], container["securityContext"]
        arguments = ["run", *flags, "--name", name, "--hostname", name, "--network", NETWORK]
        arguments += [word for alias in aliases for word in ("--network-alias", alias)]
        arguments += ["--user", f"{pod['runAsUser']}:{pod['runAsGroup']}", "--security-opt", "no-new-privileges"]
        arguments += ["--read-only"] if rights["readOnlyRootFilesystem"] else []
        arguments += [word for one in rights["capabilities"]["drop"] for word in ("--cap-drop", one)]
        for variable in container.get("env", []):
            # A label that is not there is an empty text, as in Kubernetes.
            by_field = {"metadata.name": name}.get(variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", ""), "")
            value = variable.get("value", by_field).replace("$(POD_NAME)", name)
            arguments += ["--env", f"{variable['name']}={value}"]
        volumes = {one["name"]: one for one in spec.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            volume = volumes.get(mount["name"], {})
            if "configMap" in volume:
                source = f"{self.folder}/{volume['configMap']['name']}"
            else:
                source = f"{name}-{mount['name']}"
            arguments += ["--volume", f"{source}:{mount['mountPath']}" + (":ro" if mount.get("readOnly") else "")]
        image = container["image"]
        return docker(*arguments, "--entrypoint", "/usr/local/bin/dnc", image, *container["args"])

    def run_to_end(self, name: str, spec: Object) -> None:
        """A Pod or a Job: its containers one after the other, each of which must end well."""
        for container in containers(spec):
            told = self.run(f"{name}-{container['name']}", spec, container, [], "--rm")
            print(f"{name} {container['name']}: {told}")

    def stop(self, pod: str) -> None:
        """As a pod is stopped: told to, then waited for. Its volumes stay."""
        docker("stop", "--time", str(STOP_S), pod)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", pod) == "0", f"{pod} did not stop in order"
        docker("rm", pod)

    def is_ready(self, role: str, pod: str) -> bool:
        (container,) = self.workload(role)["spec"]["template"]["spec"]["containers"]
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        asked = f"127.0.0.1:{ports[container['readinessProbe']['httpGet']['port']]}"
        return bool(docker("exec", pod, "/usr/local/bin/dnc", "health", asked, check=False))

    def wait_ready(self, role: str, pod: str) -> None:
        wait_for(f"{pod} is ready", START_S, lambda: self.is_ready(role, pod), lambda: docker("logs", "--tail", "10", pod))

    def addresses(self, role: str) -> list[str]:
        template = f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}'
        running = docker("ps", "--format", "{{.Names}}").split()
        pods = [pod for pod in running if pod.startswith(f"{self.workload(role)['metadata']['name']}-")]
        return [one for one in (docker("inspect", "--format", template, pod, check=False) for pod in pods) if one]

    def end(self) -> None:
        for pod in docker("ps", "--all", "--quiet").split():
            docker("rm", "--force", pod, check=False)


def spec_of(one: Object) -> Any:
    """The pod's spec in a Pod or a Job."""
    return one["spec"]["template"]["spec"] if one["kind"] == "Job" else one["spec"]
