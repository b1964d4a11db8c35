"""The product as its users reach it: webhooks in, REST out."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import httpx

from workflows.vendors.tls import tls_context

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""A wait ends as soon as what it waits for holds: on a busy machine anything may take its time."""
REQUEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One organization's view of the running product."""

    base_url: str
    live_url: str
    organization_id: str
    api_key: str
    vapi_secret: str
    http: httpx.Client

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Product":
        names = ("base_url", "live_url", "organization_id", "api_key", "vapi_secret")
        return cls(
            **{name: told[name] for name in names}, http=httpx.Client(verify=tls_context(), timeout=REQUEST_SECONDS)
        )

    def close(self) -> None:
        self.http.close()

    def post(self, body: bytes | Mapping[str, Any], *, secret: str | None = None) -> httpx.Response:
        """Send a webhook as VAPI does."""
        url = f"{self.base_url}/webhooks/vapi/{self.organization_id}"
        headers = {"x-vapi-secret": secret or self.vapi_secret, "content-type": "application/json"}
        if isinstance(body, bytes):
            return self.http.post(url, content=body, headers=headers)
        return self.http.post(url, json=body, headers=headers)

    def get(self, path: str, **query: str | int) -> httpx.Response:
        """Read the organization's REST API, again while nobody can answer it: an owner may be on the move."""

        def asked() -> httpx.Response | None:
            answer = self.http.get(self._url(path), params=query, headers=self._credential())
            return None if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE else answer

        return eventually(asked, what=lambda: f"{path} is not served")

    def put(self, path: str, document: Mapping[str, Any]) -> httpx.Response:
        """Change a setting of the organization, whatever it is now."""
        return self.http.put(self._url(path), json=document, headers={**self._credential(), "if-match": "*"})

    def patch(self, path: str, document: Mapping[str, Any]) -> httpx.Response:
        """Change some members of a setting."""
        return self.http.patch(self._url(path), json=document, headers=self._credential())

    def act(self, path: str, document: Mapping[str, Any] | None = None) -> httpx.Response:
        """Have something done."""
        return self.http.post(self._url(path), json=document, headers=self._credential())

    def _url(self, path: str) -> str:
        return f"{self.base_url}/v1/organizations/{self.organization_id}/{path}"

    def _credential(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.api_key}"}

    def call(self, call_id: str) -> dict[str, Any] | None:
        answer = self.get(f"calls/{call_id}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return answer.raise_for_status().json()

    def call_when(
        self, call_id: str, holds: Callable[[dict[str, Any]], object], *, seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """The call once `holds` of it is true."""

        def probe() -> dict[str, Any] | None:
            found = self.call(call_id)
            return found if found is not None and holds(found) else None

        return eventually(probe, seconds=seconds, what=lambda: f"call {call_id}: {self.call(call_id)}")


def eventually(probe: Callable[[], T | None], *, what: Callable[[], str], seconds: float = PATIENCE_SECONDS) -> T:
    """The first answer of `probe` that is not None, within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found is not None:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what()}"
        time.sleep(0.05)  # polls another process
