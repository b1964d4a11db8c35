"""Is the process alive, and can it serve."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from serve.readiness import check_readiness
from serve.schemas import Health, PartStatus, Readiness
from serve.services import Given

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def get_health() -> Health:
    """Answers while the process runs; asks no other server."""
    return Health()


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness, "description": "Not ready"}})
async def get_readiness(services: Given) -> Response:
    """Asks every server this process stands on; 503 when one that is required does not answer."""
    parts = await check_readiness(services.checks)
    ready = all(part.ok or not part.required for part in parts)
    told = Readiness(
        ready=ready,
        parts={part.name: PartStatus(ok=part.ok, required=part.required, detail=part.detail) for part in parts},
    )
    return JSONResponse(
        told.model_dump(), status_code=200 if ready else 503, headers={} if ready else {"Retry-After": "1"}
    )
