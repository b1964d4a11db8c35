"""People of the organization besides its owner."""

import asyncio
import time
from uuid import uuid4

import httpx

from serve.local_issuer import LocalIssuer
from tests.e2e.product import REQUEST_SECONDS, Product
from tests.running_stack import RunningStack


async def join(product: Product, stack: RunningStack, role: str) -> tuple[str, str]:
    """Somebody new accepts an invitation to `role`: their address and their session."""
    email = f"{uuid4().hex}@example.com"
    invited = await asyncio.to_thread(product.act, "invitations", {"email": email, "role": role})
    token = invited.raise_for_status().json()["token"]
    url = stack.setting("SUPABASE_URL").rstrip("/")
    issuer = LocalIssuer(stack.setting("SUPABASE_SIGNING_KEY"), issuer=f"{url}/auth/v1")
    bearer = {"authorization": f"Bearer {issuer.sign(email=email, now=int(time.time()))}"}
    async with httpx.AsyncClient(base_url=product.base_url, timeout=REQUEST_SECONDS, headers=bearer) as http:
        (await http.post("/v1/invitations/accept", json={"token": token})).raise_for_status()
        return email, (await http.post("/v1/sessions")).raise_for_status().cookies["session"]
