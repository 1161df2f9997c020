"""What is asked of the apiserver."""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from chart import Object

API = "https://127.0.0.1:16443"
TOKEN = "of-this-test"


class Api:
    """Asks as one who may do everything."""

    def __init__(self) -> None:
        self.tls = ssl._create_unverified_context()  # Its certificate is made by itself, for loopback.

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """The code and the text; 0 while nobody answers."""
        request = urllib.request.Request(API + path, method=method, headers={"Authorization": f"Bearer {TOKEN}"})
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.tls) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError as error:
            return 0, str(error)

    def text(self, path: str) -> str:
        code, text = self.ask("GET", path)
        return text if code == 200 else ""

    def get(self, path: str) -> Any:
        """None for what is not there, and while nobody answers."""
        text = self.text(path)
        return json.loads(text) if text else None

    def items(self, path: str) -> list[Object] | None:
        found = self.get(path)
        return None if found is None else found["items"]

    def post(self, path: str, body: Any) -> None:
        code, text = self.ask("POST", path, body)
        assert code in (200, 201), f"{path}: {code} {text}"

    def delete(self, path: str) -> None:
        code, text = self.ask("DELETE", path)
        assert code in (200, 202), f"{path}: {code} {text}"

    def logs(self, namespace: str) -> str:
        """The last lines of every pod, for whoever looks why a test failed."""
        told = []
        for pod in self.items(f"/api/v1/namespaces/{namespace}/pods") or []:
            name, status = pod["metadata"]["name"], pod["status"]
            told.append(f"--- {name}: {status.get('phase')} {json.dumps(status.get('conditions', []))[:600]}")
            for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
                asked = f"/api/v1/namespaces/{namespace}/pods/{name}/log?tailLines=8&container={container['name']}"
                told.append(self.ask("GET", asked)[1][-2000:])
        for event in (self.items(f"/api/v1/namespaces/{namespace}/events") or [])[-30:]:
            told.append(f"{event['involvedObject']['name']}: {event['reason']}: {event['message'][:300]}")
        return "\n".join(told)
