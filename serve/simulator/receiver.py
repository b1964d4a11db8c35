"""A customer's endpoint to deliver webhooks to: it takes everything, and shows what it was sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from serve.errors import NotFoundError
from serve.simulator.vendor_door import VendorDoor

PREFIX = "/receiver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One endpoint for each organization. What it got stands under /simulator/requests, vendor `receiver`."""

    door: VendorDoor

    def router(self) -> APIRouter:
        """Routes under /receiver."""
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/{organization_id}", self.receive, methods=["POST"])
        router.add_api_route("/{organization_id}/{rest:path}", self.receive, methods=["POST"])
        return router

    async def receive(self, request: Request, organization_id: str) -> Response:
        """Raises NotFoundError for what is no organization's id."""
        try:
            UUID(organization_id)
        except ValueError:
            raise NotFoundError("Nothing is served under this path.") from None

        async def respond(_body: bytes) -> Response:
            return JSONResponse({"received": True})

        return await self.door.answer(request, respond)


async def named_by_path(request: Request, _body: bytes) -> Sequence[str]:
    """The organization whose endpoint it is."""
    return [str(UUID(request.path_params["organization_id"]))]
