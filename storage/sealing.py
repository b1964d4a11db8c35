"""Secrets at rest: AES-256-GCM, each bound to its organization."""

import base64
import binascii
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.errors import StorageError

_VERSION = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32


class SealError(StorageError):
    """A sealed secret cannot be opened: another key, another organization, or damaged."""


class Sealer:
    """Seals and opens under one key: 32 bytes, base64. Raises ValueError when the key is anything else.

    What is sealed for one organization opens for no other: a row copied between tenants is worthless.
    """

    def __init__(self, key_base64: str) -> None:
        try:
            key = base64.b64decode(key_base64, validate=True)
        except binascii.Error as malformed:
            raise ValueError("ENCRYPTION_KEY must be base64") from malformed
        if len(key) != _KEY_BYTES:
            raise ValueError(f"ENCRYPTION_KEY must hold {_KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)

    def seal(self, organization_id: str, plaintext: bytes) -> bytes:
        """Version, nonce, ciphertext and tag. Two seals of one secret differ."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plaintext, UUID(organization_id).bytes)

    def open(self, organization_id: str, sealed: bytes) -> bytes:
        """What was sealed for this organization. Raises SealError."""
        if sealed[:1] != _VERSION:
            raise SealError("the seal is of an unknown version")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, UUID(organization_id).bytes)
        except (InvalidTag, ValueError) as refused:
            raise SealError("the secret was sealed under another key or for another organization") from refused
