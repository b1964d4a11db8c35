"""The local stack's issuer, verified as Supabase's tokens are."""

import time

import httpx
from fastapi import FastAPI

from serve.access_tokens import AccessTokens
from serve.local_issuer import LocalIssuer, new_signing_key, user_id_of
from serve.signing_keys import SigningKeys
from serve.simulator.supabase import supabase_router

ISSUER = "http://local.test/supabase/auth/v1"
OWNER = "owner@demo.example"


async def test_a_password_gives_a_token_that_is_verified_like_any_other() -> None:
    key = new_signing_key()
    issuer = LocalIssuer(key, issuer=ISSUER)
    app = FastAPI()
    app.include_router(supabase_router(issuer, now=lambda: int(time.time())))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as http:
        tokens = AccessTokens(issuer=ISSUER, keys=SigningKeys(f"{ISSUER}/.well-known/jwks.json", http), now=time.time)
        place = f"{ISSUER}/token?grant_type=password"
        got = await http.post(place, json={"email": OWNER, "password": issuer.password_of(OWNER)})
        person = await tokens.verify(got.json()["access_token"])
        assert person is not None
        assert (person.user_id, person.email) == (user_id_of(OWNER), OWNER)
        for wrong in ("", "x", issuer.password_of("other@demo.example")):
            refused = await http.post(place, json={"email": OWNER, "password": wrong})
            assert (refused.status_code, refused.json()["error_code"]) == (400, "invalid_credentials")
        elsewhere = LocalIssuer(new_signing_key(), issuer=ISSUER)
        assert await tokens.verify(elsewhere.sign(email=OWNER, now=int(time.time()))) is None
    assert LocalIssuer(key, issuer=ISSUER).jwks() == issuer.jwks()
    assert "d" not in issuer.jwks()["keys"][0]
