"""The local stack's own issuer of access tokens, in place of Supabase Auth: the same claims, the same way to verify."""

import base64
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid4, uuid5

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from jwt.algorithms import ECAlgorithm

from serve.config import Settings

TOKEN_SECONDS: Final = 3600


def new_signing_key() -> str:
    """A P-256 private key as text: PKCS #8 in base64."""
    key = generate_private_key(SECP256R1())
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def user_id_of(email: str) -> str:
    """The id a person of the local stack has: the same at every start."""
    return str(uuid5(NAMESPACE_URL, f"urn:call-supervisor:local:user:{email.lower()}"))


def local_issuer(settings: Settings) -> "LocalIssuer | None":
    """The issuer of this local stack; None where a real project takes its place."""
    if settings.supabase_signing_key is None or settings.supabase_url is None:
        return None
    issuer = f"{settings.supabase_url.rstrip('/')}/auth/v1"
    return LocalIssuer(settings.supabase_signing_key.get_secret_value(), issuer=issuer)


class LocalIssuer:
    """Signs with one ES256 key. `issuer` is what tokens name, and where `jwks` has to be served."""

    def __init__(self, signing_key: str, *, issuer: str) -> None:
        """Raises ValueError when `signing_key` is not one of `new_signing_key`."""
        self._der = base64.b64decode(signing_key)
        key = load_der_private_key(self._der, password=None)
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise ValueError("not a P-256 key")  # noqa: TRY004  # of the text's content
        self._key = key
        self._issuer = issuer
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._kid = sha256(public).hexdigest()[:16]

    def jwks(self) -> Mapping[str, Any]:
        """The public key as a JWKS document."""
        told = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**told, "kid": self._kid, "alg": "ES256", "use": "sig", "key_ops": ["verify"]}]}

    def sign(self, *, email: str, now: int) -> str:
        """An access token for a person, good from `now` (Unix seconds) for TOKEN_SECONDS."""
        claims = {
            "iss": self._issuer,
            "aud": "authenticated",
            "role": "authenticated",
            "sub": user_id_of(email),
            "email": email,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "aal": "aal1",
            "session_id": str(uuid4()),
            "is_anonymous": False,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._kid})

    def password_of(self, email: str) -> str:
        """The password of a person of the local stack: follows from the key, and is kept nowhere."""
        told = hmac.digest(self._der, f"password:{email.lower()}".encode(), "sha256")
        return base64.urlsafe_b64encode(told[:18]).decode()
