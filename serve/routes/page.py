"""The dashboard's page, the page of invitations, and their files."""

from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.staticfiles import StaticFiles

from serve.browser_headers import content_security_policy
from serve.deployment import Deployment
from serve.page_paths import CALL_PAGES, PAGE_PATHS

STATIC: Final = Path(__file__).parent.parent / "static"
BUILT: Final = Path(__file__).parents[2] / "dashboard" / "dist"
# Kept by the browser, asked about each time: a new version shows at once.
_REVALIDATED: Final = {"Cache-Control": "no-cache"}
_NOT_BUILT: Final = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>The page is not built</title>
<h1>The page is not built</h1>
<p>Run <code>make setup</code> where the product was installed, and load this again. Everything else works.</p>
"""
# Their names hold a digest of what is in them.
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


class _Files(StaticFiles):
    def file_response(self, *arguments: object, **options: object) -> Response:
        answer = super().file_response(*arguments, **options)  # pyright: ignore[reportArgumentType]
        answer.headers.update(_REVALIDATED)
        return answer


class _Assets(StaticFiles):
    def file_response(self, *arguments: object, **options: object) -> Response:
        answer = super().file_response(*arguments, **options)  # pyright: ignore[reportArgumentType]
        answer.headers.update(_FOR_EVER)
        return answer


def install(app: FastAPI, deployment: Deployment) -> None:
    """Serve the dashboard at each of its addresses, the page of invitations, and their files below `/static`."""
    invitation, headers = _invitation_page(deployment)

    async def get_page() -> Response:
        page = BUILT / "index.html"
        if not page.exists():
            return HTMLResponse(_NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE, _REVALIDATED)
        return FileResponse(page, headers=_REVALIDATED)

    for path in (*sorted(PAGE_PATHS), f"{CALL_PAGES}{{call_id:path}}"):
        app.get(path, include_in_schema=False)(get_page)

    @app.get("/invitation", include_in_schema=False)
    async def get_invitation_page() -> HTMLResponse:
        return HTMLResponse(invitation, headers=headers)

    app.mount("/static/app/assets", _Assets(directory=BUILT / "assets", check_dir=False), name="assets")
    app.mount("/static", _Files(directory=STATIC, check_dir=False), name="static")


def _invitation_page(deployment: Deployment) -> tuple[str, dict[str, str]]:
    """The page, told where people sign in, and its headers: it alone may talk to that place."""
    page = (STATIC / "invitation.html").read_text()
    for name, value in (("data-auth-url", deployment.auth_url), ("data-auth-key", deployment.auth_key)):
        page = page.replace(f'{name}=""', f'{name}="{escape(value)}"')
    parts = urlsplit(deployment.auth_url)
    origins = [f"{parts.scheme}://{parts.netloc}"] if deployment.auth_url else []
    return page, {**_REVALIDATED, "Content-Security-Policy": content_security_policy(*origins)}
