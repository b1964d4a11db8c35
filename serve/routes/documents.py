"""What is on offer: for programs `/openapi.json` and `/asyncapi.json`, for people `/docs`, asking no other server."""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any, Final

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse

_SHOWN: Final = ("enum", "minimum", "maximum", "default")
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_STYLE: Final = """\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
article { border-top: 1px solid GrayText; padding: .5rem 0 1rem; }
h3 { font-family: ui-monospace, monospace; font-size: 1rem; overflow-wrap: anywhere; }
h3 span { font-weight: 700; margin-right: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
code { font-family: ui-monospace, monospace; }
"""


def install(app: FastAPI, document: Callable[[], Mapping[str, Any]], live: Callable[[], Mapping[str, Any]]) -> None:
    """Serve the API's `document`, a page made of it, and the document of the `live` feed."""

    @app.get("/openapi.json", include_in_schema=False)
    async def get_openapi_document() -> JSONResponse:
        return JSONResponse(document())

    @app.get("/asyncapi.json", include_in_schema=False)
    async def get_asyncapi_document() -> JSONResponse:
        return JSONResponse(live())

    @app.get("/docs", include_in_schema=False)
    async def get_documentation() -> HTMLResponse:
        return HTMLResponse("".join(_page(document())))

    @app.get("/docs/style.css", include_in_schema=False)
    async def get_documentation_style() -> Response:
        return Response(_STYLE, media_type="text/css")


def _page(document: Mapping[str, Any]) -> Iterable[str]:
    title = escape(document["info"]["title"])
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title} API</title>'
    yield '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs/style.css">'
    yield '<link rel="icon" href="/static/icon.svg" type="image/svg+xml">'
    yield f"<h1>{title} API</h1>"
    for paragraph in document["info"]["description"].split("\n\n"):
        yield f"<p>{_prose(paragraph)}</p>"
    yield '<p>For programs: <a href="/openapi.json">/openapi.json</a>; the live feed\'s frames, events and views, as '
    yield 'AsyncAPI 3: <a href="/asyncapi.json">/asyncapi.json</a></p>'
    for tag in document["tags"]:
        yield f"<section><h2>{escape(tag['name'])}</h2><p>{_prose(tag['description'])}</p>"
        for path, item in document["paths"].items():
            for method in _METHODS:
                if method in item and tag["name"] in item[method].get("tags", ()):
                    yield from _operation(path, method, item[method])
        yield "</section>"
    yield "</html>"


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterable[str]:
    yield f'<article id="{escape(operation["operationId"])}">'
    yield f"<h3><span>{method.upper()}</span>{escape(path)}</h3>"
    for paragraph in operation.get("description", "").split("\n\n"):
        yield f"<p>{_prose(paragraph)}</p>"
    yield "<table>"
    for parameter in operation.get("parameters", ()):
        yield f"<tr><th><code>{escape(parameter['name'])}</code><td>in {escape(parameter['in'])}"
        yield f"<td>{_prose(parameter.get('description', ''))} {_schema(parameter['schema'])}"
    for status, answer in operation["responses"].items():
        kinds = answer.get("content", {})
        told = "; ".join(f"{escape(kind)} {_schema(each.get('schema', {}))}" for kind, each in kinds.items())
        yield f"<tr><th>{escape(status)}<td>{_prose(answer['description'])}<td>{told}"
    yield "</table></article>"


def _schema(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return f"<code>{escape(schema['$ref'].rpartition('/')[2])}</code>"
    if "anyOf" in schema:
        return " or ".join(_schema(each) for each in schema["anyOf"])
    told = [f"<code>{escape(str(schema['type']))}</code>"] if "type" in schema else []
    told += [f"{name} {escape(str(schema[name]))}" for name in _SHOWN if name in schema]
    return " ".join(told)


def _prose(text: str) -> str:
    """Text with `code` between backticks."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))
