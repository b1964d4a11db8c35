"""Supabase Auth as far as it is used: keys that verify tokens, and a token for a password. Nobody signs up."""

import hmac
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from serve.local_issuer import TOKEN_SECONDS, LocalIssuer, user_id_of

PREFIX: Final = "/supabase/auth/v1"


class Login(BaseModel):
    """A person's address and password."""

    email: str
    password: str


def supabase_router(issuer: LocalIssuer, *, now: Callable[[], int]) -> APIRouter:
    """The routes of one project. `now` in Unix seconds."""
    router = APIRouter(prefix=PREFIX)

    @router.get("/.well-known/jwks.json")
    async def get_keys() -> dict[str, Any]:
        return dict(issuer.jwks())

    @router.post("/token")
    async def get_token(asked: Login, grant_type: Annotated[Literal["password"], Query()]) -> JSONResponse:
        del grant_type
        right = issuer.password_of(asked.email).encode()
        if not hmac.compare_digest(right, asked.password.encode(errors="surrogatepass")):
            refused = {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}
            return JSONResponse(refused, status_code=400)
        at = now()
        return JSONResponse(
            {
                "access_token": issuer.sign(email=asked.email, now=at),
                "token_type": "bearer",
                "expires_in": TOKEN_SECONDS,
                "expires_at": at + TOKEN_SECONDS,
                "user": {"id": user_id_of(asked.email), "email": asked.email, "role": "authenticated"},
            }
        )

    @router.post("/signup")
    async def refuse_signup() -> JSONResponse:
        refused = {"code": 422, "error_code": "signup_disabled", "msg": "Signups not allowed for this instance"}
        return JSONResponse(refused, status_code=422)

    return router
