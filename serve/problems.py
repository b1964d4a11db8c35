"""Faults of the REST API as responses: one handler per kind of exception, all through serve.errors."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from serve.errors import (
    BodyTooLargeError,
    InvalidParameterError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    ServeError,
    problem,
)

MAX_BODY_BYTES = 64 * 1024


def problem_response(error: Exception) -> Response:
    """The response for any exception."""
    told = problem(error)
    return Response(told.body, status_code=told.status, headers=dict(told.headers))


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every fault of `app` as a problem document. Unexpected ones still reach the server's log."""

    async def answer(_request: Request, error: Exception) -> Response:
        return problem_response(error)

    async def answer_validation(_request: Request, error: Exception) -> Response:
        faults: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else ()
        return problem_response(
            InvalidParameterError(
                "Some values are not permitted.",
                [{"at": ".".join(str(part) for part in fault["loc"]), "detail": fault["msg"]} for fault in faults],
            )
        )

    async def answer_http(_request: Request, error: Exception) -> Response:
        return problem_response(_named(error) if isinstance(error, HTTPException) else error)

    app.add_exception_handler(RequestValidationError, answer_validation)
    app.add_exception_handler(HTTPException, answer_http)
    for kind in (ServeError, Exception):
        app.add_exception_handler(kind, answer)


def _named(error: HTTPException) -> Exception:
    """The framework's own refusals under the names of serve.errors."""
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return NotFoundError("There is nothing here.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return MethodNotAllowedError((error.headers or {}).get("Allow", "another method"))
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return BodyTooLargeError(MAX_BODY_BYTES)
        case status if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return MalformedRequestError(HTTPStatus(status).phrase)
        case _:
            return error
