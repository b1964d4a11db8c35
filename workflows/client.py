"""Temporal, as the rest of the product reaches it: a client that heals itself, and the one signal that is sent."""

import asyncio
import base64
import binascii
from datetime import timedelta

from pydantic import SecretStr
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import DataConverter
from temporalio.service import RPCError, TLSConfig

from actors.ports import UnavailableError
from workflows.codec import encrypting
from workflows.config import WorkerSettings
from workflows.contracts import (
    CALL_CHANGED,
    CALL_PROCESSING_QUEUE,
    CALL_PROCESSING_WORKFLOW,
    CallProcessingInput,
    processing_workflow_id,
)

_SIGNAL_SECONDS = 2.0


class TemporalUnavailableError(UnavailableError):
    """Temporal is away, too slow, or refuses us."""


async def connect(
    address: str,
    *,
    namespace: str = "default",
    client_cert_base64: str | None = None,
    client_key_base64: str | None = None,
    api_key: str | None = None,
    encryption_key: str | None = None,
    lazy: bool = True,
) -> Client:
    """A client of the server at `host:port`, which connects again after each loss.

    Plain without credentials, mutual TLS with a certificate and its key (PEM, base64), TLS with an API key. A lazy one
    connects at first use; workers need one that is not. With an `encryption_key` what it sends is encrypted
    (workflows/codec.py). Raises ValueError when one of the pair is missing or no base64, TemporalUnavailableError when
    it cannot connect at once and is not lazy.
    """
    if (client_cert_base64 is None) != (client_key_base64 is None):
        raise ValueError("a client certificate needs its key, and a key its certificate")
    tls: TLSConfig | bool = api_key is not None
    if client_cert_base64 is not None and client_key_base64 is not None:
        tls = TLSConfig(client_cert=_decoded(client_cert_base64), client_private_key=_decoded(client_key_base64))
    try:
        return await Client.connect(
            address,
            namespace=namespace,
            api_key=api_key,
            tls=tls,
            data_converter=DataConverter.default if encryption_key is None else encrypting(encryption_key),
            connect_timeout=timedelta(seconds=_SIGNAL_SECONDS),
            lazy=lazy,
        )
    except RuntimeError as away:
        raise TemporalUnavailableError("Temporal cannot be reached") from away


async def connect_from(settings: WorkerSettings, *, lazy: bool = True) -> Client:
    """A client by the settings. Workers need one that is not lazy (see `connect`)."""

    def told(secret: SecretStr | None) -> str | None:
        return None if secret is None else secret.get_secret_value()

    return await connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        client_cert_base64=told(settings.temporal_client_cert),
        client_key_base64=told(settings.temporal_client_key),
        api_key=told(settings.temporal_api_key),
        encryption_key=settings.encryption_key.get_secret_value(),
        lazy=lazy,
    )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as malformed:
        raise ValueError("Temporal's client certificate and key must be base64") from malformed


class TemporalProcessing:
    """`actors.ports.Processing` over Temporal. `quiet_seconds`: silence after which a call's provider is asked."""

    def __init__(self, client: Client, *, quiet_seconds: int = 900) -> None:
        self._client = client
        self._quiet_seconds = quiet_seconds

    async def signal(self, organization_id: str, call_id: str) -> None:
        """Signal the call's workflow, starting it if need be. Safe to repeat.

        Raises TemporalUnavailableError, after 2 s at the latest.
        """
        try:
            async with asyncio.timeout(_SIGNAL_SECONDS):
                await self._client.start_workflow(
                    CALL_PROCESSING_WORKFLOW,
                    CallProcessingInput(
                        organization_id=organization_id, call_id=call_id, quiet_seconds=self._quiet_seconds
                    ),
                    id=processing_workflow_id(organization_id, call_id),
                    task_queue=CALL_PROCESSING_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    start_signal=CALL_CHANGED,
                    rpc_timeout=timedelta(seconds=_SIGNAL_SECONDS),
                )
        # A lazy client that cannot connect raises a bare RuntimeError.
        except (RPCError, TimeoutError, RuntimeError) as away:
            raise TemporalUnavailableError(f"Temporal took no signal: {type(away).__name__}") from away
