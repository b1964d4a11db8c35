"""Whether a request to a simulated vendor carries the credential that the product was given for it."""

import base64
import binascii
import hmac

from fastapi import Request


def token_of(request: Request) -> str | None:
    """What it carries as bearer."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def bears(request: Request, key: str | None) -> bool:
    """Whether it carries the key as bearer, or any when there is none to compare."""
    token = token_of(request)
    return token is not None and (key is None or hmac.compare_digest(token.encode(), key.encode()))


def knows(request: Request, name: str, password: str | None) -> bool:
    """Whether it carries this name and password (Basic), or any password when there is none to compare."""
    scheme, _, told = request.headers.get("authorization", "").partition(" ")
    try:
        decoded = base64.b64decode(told, validate=True)
    except (binascii.Error, ValueError):
        return False
    if scheme.lower() != "basic":
        return False
    named, _, secret = decoded.partition(b":")
    return hmac.compare_digest(named, name.encode()) and (
        password is None or hmac.compare_digest(secret, password.encode())
    )
