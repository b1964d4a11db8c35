"""Access tokens against a real issuer: what is let in, and that everything else is nobody."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from actors.ports import UnavailableError
from serve.access_tokens import AccessTokens
from serve.signing_keys import FRESH_SECONDS, RETRY_SECONDS, STALE_SECONDS, UNKNOWN_SECONDS, SigningKeys, keys_of
from tests.fakes.token_issuer import TokenIssuer, encoded, running_issuer
from workflows.vendors.tls import tls_context


@pytest.fixture
async def issuer() -> AsyncIterator[TokenIssuer]:
    async with running_issuer() as made:
        yield made


class Clock:
    at = 1_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(verify=tls_context(), timeout=30) as opened:
        yield opened


@pytest.fixture
def keys(issuer: TokenIssuer, http: httpx.AsyncClient, clock: Clock) -> SigningKeys:
    return SigningKeys(f"{issuer.issuer}/.well-known/jwks.json", http, monotonic=clock)


@pytest.fixture
def tokens(issuer: TokenIssuer, keys: SigningKeys) -> AccessTokens:
    return AccessTokens(issuer=issuer.issuer, keys=keys, legacy_secret=issuer.secret, now=time.time)


async def test_people_are_known_by_every_kind_of_key(issuer: TokenIssuer, tokens: AccessTokens) -> None:
    user_id = str(uuid4())
    for text in (
        issuer.token("ec-1", sub=user_id),
        issuer.token("rsa-1", sub=user_id),
        issuer.legacy(sub=user_id),
        issuer.legacy(sub=user_id, header={"kid": "the-legacy-secrets-own"}),
    ):
        person = await tokens.verify(text)
        assert person is not None
        assert (person.user_id, person.email) == (user_id, "person@example.com")


Attack = Callable[[TokenIssuer], str]


def _tampered(text: str, **changed: Any) -> str:
    head, claims, signature = text.split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    return f"{head}.{encoded(told | changed)}.{signature}"


def _signed(
    issuer: TokenIssuer, header: bytes | dict[str, Any], claims: bytes | dict[str, Any], *, kid: str = "ec-1"
) -> str:
    """Rightly signed with the issuer's own key, whatever the parts say."""
    key = issuer.keys[kid]
    head, body = encoded(header), encoded(claims)
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    signature = jwt.get_algorithm_by_name(algorithm).sign(f"{head}.{body}".encode(), key)
    return f"{head}.{body}.{encoded(signature)}"


def _by_hmac(issuer: TokenIssuer, secret: bytes, **header: Any) -> str:
    head, body = encoded({"alg": "HS256", "typ": "JWT", **header}), encoded(issuer.claims())
    signature = jwt.get_algorithm_by_name("HS256").sign(f"{head}.{body}".encode(), secret)
    return f"{head}.{body}.{encoded(signature)}"


def _public(issuer: TokenIssuer, kid: str, form: Encoding) -> bytes:
    return issuer.keys[kid].public_key().public_bytes(form, PublicFormat.SubjectPublicKeyInfo)


def _with_own_key(issuer: TokenIssuer, **header: Any) -> str:
    """Signed with a key of the attacker's, which the header brings or points to."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    told = {"kid": "ec-1", **{name: public if value == "KEY" else value for name, value in header.items()}}
    return jwt.encode(issuer.claims(), key, algorithm="ES256", headers=told)


def _other_curve(issuer: TokenIssuer) -> str:
    issuer.keys["p384"] = ec.generate_private_key(ec.SECP384R1())
    return jwt.encode(issuer.claims(), issuer.keys["p384"], algorithm="ES384", headers={"kid": "p384"})


def _weak_rsa(issuer: TokenIssuer) -> str:
    issuer.keys["weak"] = rsa.generate_private_key(65537, 1024)  # noqa: S505  # weak is the attack
    return _signed(issuer, {"alg": "RS256", "kid": "weak"}, issuer.claims(), kid="weak")


def _now() -> int:
    return int(time.time())


HEADER = {"alg": "ES256", "typ": "JWT", "kid": "ec-1"}
LEGACY: dict[str, Any] = {"iss": "supabase", "ref": "abcdefghijklmnopqrst", "sub": None, "aud": None, "email": None}

ATTACKS: dict[str, Attack] = {
    # The algorithm
    "alg none": lambda i: f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(i.claims())}.",
    "alg none with a signature": lambda i: f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(i.claims())}.AAAA",
    "alg nOnE": lambda i: f"{encoded({'alg': 'nOnE', 'kid': 'ec-1'})}.{encoded(i.claims())}.AAAA",
    "alg missing": lambda i: _signed(i, {"typ": "JWT", "kid": "ec-1"}, i.claims()),
    "alg a list": lambda i: _signed(i, {**HEADER, "alg": ["ES256"]}, i.claims()),
    "HS256 with the RSA key's PEM": lambda i: _by_hmac(i, _public(i, "rsa-1", Encoding.PEM), kid="rsa-1"),
    "HS256 with the RSA key's DER": lambda i: _by_hmac(i, _public(i, "rsa-1", Encoding.DER), kid="rsa-1"),
    "HS256 with the EC key's PEM": lambda i: _by_hmac(i, _public(i, "ec-1", Encoding.PEM), kid="ec-1"),
    "HS256 with the EC key's PEM and no kid": lambda i: _by_hmac(i, _public(i, "ec-1", Encoding.PEM)),
    "HS256 with the JWKS document": lambda i: _by_hmac(i, json.dumps(i.jwks()).encode()),
    "HS256 with the empty secret": lambda i: _by_hmac(i, b""),
    "HS256 with the right secret under a public key's kid": lambda i: _by_hmac(i, i.secret.encode(), kid="ec-1"),
    "HS512 with the right secret": lambda i: jwt.encode(i.claims(), i.secret * 2, algorithm="HS512"),
    "RS256 header over an EC key": lambda i: _signed(i, {**HEADER, "alg": "RS256"}, i.claims()),
    "PS256 with the RSA key": lambda i: jwt.encode(i.claims(), i.keys["rsa-1"], "PS256", {"kid": "rsa-1"}),
    "another curve": _other_curve,
    "a weak RSA key": _weak_rsa,
    # The key
    "kid of nobody": lambda i: i.token(header={"kid": "nobody"}),
    "kid a path": lambda i: i.token(header={"kid": "../../../../dev/null"}),
    "kid SQL": lambda i: i.token(header={"kid": "ec-1' or '1'='1"}),
    "kid a command": lambda i: i.token(header={"kid": "ec-1|/bin/true"}),
    "kid with NUL": lambda i: i.token(header={"kid": "ec-1\0"}),
    "kid a number": lambda i: _signed(i, {**HEADER, "kid": 1}, i.claims()),
    "kid an object": lambda i: _signed(i, {**HEADER, "kid": {"$ne": ""}}, i.claims()),
    "kid missing": lambda i: _signed(i, {"alg": "ES256", "typ": "JWT"}, i.claims()),
    "kid of the other key": lambda i: i.token(header={"kid": "rsa-1"}),
    "jku": lambda i: _with_own_key(i, jku="https://attacker.example/jwks.json"),
    "jku beside the right key": lambda i: i.token(header={"jku": i.url}),
    "x5u": lambda i: _with_own_key(i, x5u="https://attacker.example/cert.pem"),
    "x5c": lambda i: _with_own_key(i, x5c=["MIIB"]),
    "embedded jwk": lambda i: _with_own_key(i, jwk="KEY"),
    "crit": lambda i: _signed(i, {**HEADER, "crit": ["exp"]}, i.claims()),
    "b64 false": lambda i: _signed(i, {**HEADER, "b64": False}, i.claims()),
    "zip": lambda i: _signed(i, {**HEADER, "zip": "DEF"}, i.claims()),
    "key of another project": lambda i: TokenIssuer(url=i.url).token(),
    "secret of another project": lambda i: _by_hmac(i, b"another-projects-legacy-secret-of-32-bytes"),
    # The signature
    "wrong signature": lambda i: i.token()[:-10] + "AAAAAAAAAA",
    "signature of another token": lambda i: ".".join([*i.token().split(".")[:2], i.token().split(".")[2]]),
    "signature all zero": lambda i: ".".join([*i.token().split(".")[:2], encoded(b"\0" * 64)]),
    "no signature": lambda i: i.token().rpartition(".")[0] + ".",
    "truncated": lambda i: i.token()[:-20],
    "claims tampered": lambda i: _tampered(i.token(), sub=str(uuid4())),
    "role tampered": lambda i: _tampered(i.token(), role="service_role"),
    # The form
    "empty parts": lambda _: "..",
    "two parts": lambda i: i.token().rpartition(".")[0],
    "four parts": lambda i: f"{i.token()}.AAAA",
    "five parts": lambda i: f"{i.token()}.AAAA.AAAA",
    "empty": lambda _: "",
    "huge": lambda i: i.token(app_metadata={"x": "y" * 20_000}),
    "whitespace inside": lambda i: i.token().replace(".", ". ", 1),
    "newline behind": lambda i: f"{i.token()}\n",
    "padded": lambda i: i.token().replace(".", "=.", 1),
    "standard base64": lambda i: i.token().replace(".", "+.", 1),
    "unicode full stop": lambda i: i.token().replace(".", "\uff0e"),
    "unicode letters": lambda i: i.token().replace("e", "\u0435", 1),
    "header no JSON": lambda i: _signed(i, b"{", i.claims()),
    "header a list": lambda i: _signed(i, b"[]", i.claims()),
    "claims no JSON": lambda i: _signed(i, HEADER, b"{"),
    "claims a list": lambda i: _signed(i, HEADER, b"[]"),
    "claims no UTF-8": lambda i: _signed(i, HEADER, b'{"sub":"\xff"}'),
    "claims nested deep": lambda i: _signed(i, HEADER, b"[" * 4_000),
    "header nested deep": lambda i: _signed(i, b"[" * 4_000, b"{}"),
    "claims twice": lambda i: _signed(
        i, HEADER, json.dumps(i.claims())[:-1].encode() + b',"sub":"' + str(uuid4()).encode() + b'"}'
    ),
    "alg twice": lambda i: _signed(i, b'{"alg":"none","alg":"ES256","kid":"ec-1"}', i.claims()),
    "typ of another kind": lambda i: i.token(header={"typ": "dpop+jwt"}),
    "typ JWE": lambda i: i.token(header={"typ": "JWE"}),
    # The claims
    "wrong aud": lambda i: i.token(aud="anon"),
    "aud a list": lambda i: i.token(aud=["authenticated", "other"]),
    "aud missing": lambda i: i.token(aud=None),
    "wrong iss": lambda i: i.token(iss="https://attacker.example/auth/v1"),
    "iss with a slash": lambda i: i.token(iss=f"{i.issuer}/"),
    "iss a prefix": lambda i: i.token(iss=i.url),
    "iss missing": lambda i: i.token(iss=None),
    "sub missing": lambda i: i.token(sub=None),
    "sub empty": lambda i: i.token(sub=""),
    "sub no UUID": lambda i: i.token(sub="admin"),
    "sub a UUID in another form": lambda i: i.token(sub=str(uuid4()).upper().replace("-", "")),
    "sub a URN": lambda i: i.token(sub=uuid4().urn),
    "sub with unicode digits": lambda i: i.token(sub=str(uuid4()).replace("-", "\u2010")),
    "exp missing": lambda i: i.token(exp=None),
    "exp a text": lambda i: _signed(i, HEADER, i.claims() | {"exp": str(_now() + 60)}),
    "exp true": lambda i: _signed(i, HEADER, i.claims() | {"exp": True}),
    "exp infinite": lambda i: _signed(i, HEADER, json.dumps(i.claims() | {"exp": float("inf")}).encode()),
    "exp beyond all numbers": lambda i: _signed(
        i, HEADER, json.dumps(i.claims()).replace('"exp": ', '"exp": ' + "9" * 5_000).encode()
    ),
    "expired": lambda i: i.token(iat=_now() - 3600, exp=_now() - 31),
    "nbf in the future": lambda i: i.token(nbf=_now() + 120),
    "iat in the future": lambda i: i.token(iat=_now() + 120),
    "iat missing": lambda i: i.token(iat=None),
    "iat before all time": lambda i: i.token(iat=-1),
    "iat a text": lambda i: _signed(i, HEADER, i.claims() | {"iat": "now"}),
    "good for a year": lambda i: i.token(exp=_now() + 365 * 24 * 3600),
    "email with NUL": lambda i: i.token(email="a\0@example.com"),
    "role anon": lambda i: i.token(role="anon"),
    "role service": lambda i: i.token(role="service_role"),
    "role missing": lambda i: i.token(role=None),
    "role a list": lambda i: i.token(role=["authenticated"]),
    "anonymous sign-in": lambda i: i.token(is_anonymous=True),
    "the project's anon key": lambda i: i.legacy(**LEGACY, role="anon", exp=_now() + 10**8),
    "the project's service key": lambda i: i.legacy(**LEGACY, role="service_role", exp=_now() + 10**8),
    "service role by the legacy secret": lambda i: i.legacy(role="service_role"),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_whatever_is_not_exactly_right_is_nobody(
    issuer: TokenIssuer, tokens: AccessTokens, attack: Attack
) -> None:
    assert await tokens.verify(attack(issuer)) is None
    assert await tokens.verify(issuer.token()) is not None, "the issuer itself is still believed"


async def test_without_a_legacy_secret_no_secret_is_believed(issuer: TokenIssuer, keys: SigningKeys) -> None:
    tokens = AccessTokens(issuer=issuer.issuer, keys=keys, now=time.time)
    for text in (issuer.legacy(), _by_hmac(issuer, b""), _by_hmac(issuer, _public(issuer, "ec-1", Encoding.PEM))):
        assert await tokens.verify(text) is None
    with pytest.raises(ValueError, match="fewer than 32 bytes"):
        AccessTokens(issuer=issuer.issuer, keys=keys, now=time.time, legacy_secret="short")


async def test_a_key_that_was_withdrawn_opens_nothing_once_the_document_is_old(
    issuer: TokenIssuer, tokens: AccessTokens, clock: Clock
) -> None:
    old = issuer.token()
    assert await tokens.verify(old) is not None
    del issuer.keys["ec-1"]
    issuer.keys["ec-2"] = ec.generate_private_key(ec.SECP256R1())
    clock.at += UNKNOWN_SECONDS
    assert await tokens.verify(issuer.token("ec-2")) is not None, "a new key is found as soon as it is used"
    assert await tokens.verify(old) is None


async def test_unknown_names_make_us_ask_no_more_than_twice_a_minute(
    issuer: TokenIssuer, tokens: AccessTokens, clock: Clock
) -> None:
    for _ in range(20):
        assert await tokens.verify(issuer.token(header={"kid": uuid4().hex})) is None
    assert issuer.asked == 1
    clock.at += UNKNOWN_SECONDS
    await asyncio.gather(*(tokens.verify(issuer.token(header={"kid": uuid4().hex})) for _ in range(20)))
    assert issuer.asked == 2


async def test_keys_outlive_their_issuer_by_an_hour(issuer: TokenIssuer, tokens: AccessTokens, clock: Clock) -> None:
    text = issuer.token()
    assert await tokens.verify(text) is not None
    issuer.failing = True
    clock.at += FRESH_SECONDS
    for _ in range(5):
        assert await tokens.verify(text) is not None
    assert issuer.asked == 2, "an issuer that is away is not asked for every token"
    clock.at += STALE_SECONDS
    with pytest.raises(UnavailableError):
        await tokens.verify(text)
    issuer.failing = False
    clock.at += RETRY_SECONDS
    assert await tokens.verify(text) is not None


async def test_an_issuer_that_never_told_its_keys_is_away_and_not_wrong(
    issuer: TokenIssuer, tokens: AccessTokens
) -> None:
    issuer.failing = True
    with pytest.raises(UnavailableError):
        await tokens.verify(issuer.token())
    assert await tokens.verify(issuer.legacy()) is not None, "the legacy secret needs nobody"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"keys": 1}', b"x" * 100_000], ids=["empty", "list", "number", "huge"])
async def test_a_document_that_is_none_is_as_no_answer(issuer: TokenIssuer, tokens: AccessTokens, body: bytes) -> None:
    issuer.body = body
    with pytest.raises(UnavailableError):
        await tokens.verify(issuer.token())


def test_only_keys_to_verify_with_are_taken_from_a_document() -> None:
    issuer = TokenIssuer()
    good = issuer.jwks()["keys"]
    private = json.loads(ECAlgorithm.to_jwk(issuer.keys["ec-1"]))
    secret = {"kty": "oct", "k": encoded(b"x" * 32), "kid": "secret"}
    unfit: list[Any] = [
        secret,
        {**private, "kid": "private"},
        {**good[0], "kid": "encrypts", "use": "enc"},
        {**good[0], "kid": 7},
        {"kty": "EC", "kid": "empty"},
        {**good[0], "kid": "off the curve", "x": encoded(b"x" * 32)},
        "text",
        None,
    ]
    assert keys_of({"keys": [*unfit, *good]}).keys() == {"ec-1", "rsa-1"}
