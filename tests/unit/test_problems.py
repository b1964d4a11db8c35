import orjson
import pytest

from actors.ports import UnavailableError
from serve.errors import (
    BodyTooLargeError,
    ConflictError,
    ForbiddenError,
    InvalidParameterError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    RateLimitedError,
    ServeError,
    TemporarilyUnavailableError,
    UnauthenticatedError,
    problem,
)

CASES: list[tuple[ServeError, int, str, dict[str, str]]] = [
    (MalformedRequestError("no"), 400, "malformed-request", {}),
    (UnauthenticatedError(), 401, "unauthenticated", {"WWW-Authenticate": "Bearer"}),
    (ForbiddenError("no"), 403, "forbidden", {}),
    (NotFoundError("no"), 404, "not-found", {}),
    (MethodNotAllowedError("POST"), 405, "method-not-allowed", {"Allow": "POST"}),
    (ConflictError("no"), 409, "conflict", {}),
    (BodyTooLargeError(10), 413, "body-too-large", {"Connection": "close"}),
    (InvalidParameterError("no"), 422, "invalid-parameter", {}),
    (RateLimitedError("no", retry_after_seconds=3), 429, "rate-limited", {"Retry-After": "3"}),
    (TemporarilyUnavailableError(), 503, "temporarily-unavailable", {"Retry-After": "1"}),
]


@pytest.mark.parametrize(("error", "status", "kind", "headers"), CASES)
def test_each_error_has_its_document(error: ServeError, status: int, kind: str, headers: dict[str, str]) -> None:
    answer = problem(error)
    document = orjson.loads(answer.body)
    assert answer.status == document["status"] == status
    assert document["type"] == f"urn:call-supervisor:problem:{kind}"
    assert document["detail"] == error.detail
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert headers.items() <= answer.headers.items()


def test_every_kind_is_its_own() -> None:
    assert len({kind for _, _, kind, _ in CASES}) == len(CASES)


@pytest.mark.parametrize("error", [UnavailableError("postgres at 10.0.0.1"), TimeoutError("10.0.0.1")])
def test_what_is_away_is_503_and_says_not_what(error: Exception) -> None:
    answer = problem(error)
    assert answer.status == 503
    assert b"10.0.0.1" not in answer.body


def test_a_fault_of_ours_tells_nothing() -> None:
    answer = problem(KeyError("hidden"))
    assert answer.status == 500
    assert b"hidden" not in answer.body


def test_faults_are_listed() -> None:
    listed = [{"at": "limit", "detail": "must be at most 500"}]
    assert orjson.loads(problem(InvalidParameterError("One value.", listed)).body)["errors"] == listed
