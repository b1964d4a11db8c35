import base64
from uuid import uuid4

import pytest

from storage.sealing import Sealer, SealError

KEY = base64.b64encode(bytes(range(32))).decode()
ORGANIZATION = str(uuid4())


def test_what_is_sealed_opens_for_its_organization_alone() -> None:
    sealed = Sealer(KEY).seal(ORGANIZATION, b"secret")
    assert Sealer(KEY).open(ORGANIZATION, sealed) == b"secret"
    with pytest.raises(SealError):
        Sealer(KEY).open(str(uuid4()), sealed)


def test_another_key_opens_nothing() -> None:
    sealed = Sealer(KEY).seal(ORGANIZATION, b"secret")
    with pytest.raises(SealError):
        Sealer(base64.b64encode(bytes(32)).decode()).open(ORGANIZATION, sealed)


def test_a_damaged_seal_is_refused_wherever_it_is_damaged() -> None:
    sealed = Sealer(KEY).seal(ORGANIZATION, b"secret")
    damaged = [sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :] for i in range(len(sealed))]
    for each in [*damaged, b"", sealed[:1], sealed[:-1]]:
        with pytest.raises(SealError):
            Sealer(KEY).open(ORGANIZATION, each)


def test_two_seals_of_one_secret_differ() -> None:
    assert Sealer(KEY).seal(ORGANIZATION, b"secret") != Sealer(KEY).seal(ORGANIZATION, b"secret")


@pytest.mark.parametrize("key", ["", "no base64!", base64.b64encode(bytes(16)).decode()])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="ENCRYPTION_KEY"):
        Sealer(key)
