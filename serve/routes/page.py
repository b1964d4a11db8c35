"""The dashboard's page, those of signing in and of invitations, and their files."""

from collections.abc import Awaitable, Callable, Mapping
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
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
    """Serve the dashboard at each of its addresses, the pages of signing in and of invitations, and all their files."""
    told = {
        "data-is-local": "yes" if deployment.is_local else "",
        "data-takes-passwords": "yes" if deployment.auth_url else "",
    }

    async def get_page() -> Response:
        page = BUILT / "index.html"
        if not page.exists():
            return HTMLResponse(_NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE, _REVALIDATED)
        return HTMLResponse(_telling(page.read_text(), told), headers=_REVALIDATED)

    for path in (*sorted(PAGE_PATHS), f"{CALL_PAGES}{{call_id:path}}"):
        app.get(path, include_in_schema=False)(get_page)

    for name in ("sign-in", "invitation"):
        app.get(f"/{name}", include_in_schema=False)(_credentials_page(name, deployment))

    app.mount("/static/app/assets", _Assets(directory=BUILT / "assets", check_dir=False), name="assets")
    app.mount("/static", _Files(directory=STATIC, check_dir=False), name="static")


def _credentials_page(name: str, deployment: Deployment) -> Callable[[], Awaitable[HTMLResponse]]:
    """A page that takes a password, told where people sign in: such a page alone may talk to that place."""
    told = {"data-auth-url": deployment.auth_url, "data-auth-key": deployment.auth_key}
    page = _telling((STATIC / f"{name}.html").read_text(), told)
    parts = urlsplit(deployment.auth_url)
    origins = [f"{parts.scheme}://{parts.netloc}"] if deployment.auth_url else []
    headers = {**_REVALIDATED, "Content-Security-Policy": content_security_policy(*origins)}

    async def get_credentials_page() -> HTMLResponse:
        return HTMLResponse(page, headers=headers)

    return get_credentials_page


def _telling(page: str, told: Mapping[str, str]) -> str:
    """The page with what its attributes are to tell, which it holds empty."""
    for name, value in told.items():
        page = page.replace(f'{name}=""', f'{name}="{escape(value)}"')
    return page
