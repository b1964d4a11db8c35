"""What every answer tells a browser to do and to leave."""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class SecurityHeaders:
    """Adds to every answer what a browser needs to be told; what a route set itself stays."""

    def __init__(self, app: ASGIApp, *, live_origin: str) -> None:
        self._app = app
        self._headers = (
            (b"content-security-policy", content_security_policy(live_origin).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-store"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, self._adding(send) if scope["type"] == "http" else send)

    def _adding(self, send: Send) -> Callable[[Message], Awaitable[None]]:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = list(message.get("headers", ()))
                names = {name.lower() for name, _ in told}
                message = {**message, "headers": told + [each for each in self._headers if each[0] not in names]}
            await send(message)

        return send_with_headers


def content_security_policy(*origins: str) -> str:
    """Nothing from elsewhere, nothing inline, no framing; the page may talk to its own origin and to `origins`."""
    reached = " ".join(["'self'", *origins])
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"media-src 'self'; connect-src {reached}; manifest-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
