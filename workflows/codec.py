"""What Temporal keeps of us is unreadable without ENCRYPTION_KEY: inputs, results, signals, queries, failures.

Ids of workflows, names and search attributes stay as they are: they hold ids and states alone.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

ENCODING: Final = b"binary/encrypted"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_PURPOSE: Final = b"call-supervisor temporal payloads 1"


class UndecodableError(Exception):
    """A payload was encrypted under another key, or is damaged."""


class EncryptionCodec(PayloadCodec):
    """AES-256-GCM under a key of its own that follows from ENCRYPTION_KEY. Raises ValueError when that is no key.

    What is not encrypted is read as it is: runs that began before go on.
    """

    def __init__(self, key_base64: str) -> None:
        try:
            secret = base64.b64decode(key_base64, validate=True)
        except binascii.Error as malformed:
            raise ValueError("ENCRYPTION_KEY must be base64") from malformed
        if len(secret) != _KEY_BYTES:
            raise ValueError(f"ENCRYPTION_KEY must hold {_KEY_BYTES} bytes, not {len(secret)}")
        key = HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(secret)
        self._key_id = hashlib.sha256(key).hexdigest()[:16].encode()
        self._cipher = AESGCM(key)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Each payload whole, what it is encoded as included."""
        return [self._encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises UndecodableError."""
        return [self._decrypted(payload) for payload in payloads]

    def _encrypted(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, payload.SerializeToString(), self._key_id)
        return Payload(metadata={"encoding": ENCODING, "key": self._key_id}, data=nonce + sealed)

    def _decrypted(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(self._cipher.decrypt(nonce, sealed, self._key_id))
        except (InvalidTag, ValueError) as refused:
            raise UndecodableError("a payload of Temporal's does not open with this ENCRYPTION_KEY") from refused


def encrypting(key_base64: str) -> DataConverter:
    """Converts as Temporal does by default, encrypted; the words of failures too. Raises ValueError."""
    return DataConverter(
        payload_codec=EncryptionCodec(key_base64),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
