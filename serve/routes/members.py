"""Members of an organization: who they are, their roles, their leaving."""

from uuid import UUID

from fastapi import APIRouter, Response

from serve.auth import Caller, GuardedRoute, permits
from serve.errors import ConflictError, ForbiddenError, NotFoundError
from serve.people_schemas import Member, MemberList, RoleChange
from serve.roles import Role
from serve.services import Given
from storage.members import LastOwnerError, TenantMembers
from storage.principals import Principal

router = APIRouter(route_class=GuardedRoute, tags=["members"], prefix="/v1/organizations/{organization_id}")


@router.get("/members", dependencies=[permits("members:read")])
async def list_members(organization_id: str, services: Given, caller: Caller) -> MemberList:
    """The organization's people, by address."""
    async with services.reading(caller) as reads:
        rows = await TenantMembers(reads.connection, organization_id).all()
    return MemberList(members=[Member.of(row) for row in rows])


@router.patch("/members/{user_id}", status_code=204, response_class=Response, dependencies=[permits("members:write")])
async def change_role(organization_id: str, user_id: UUID, asked: RoleChange, services: Given, caller: Caller) -> None:
    """Give a member another role. Only an owner makes or unmakes an owner, and one always stays."""
    try:
        async with services.writing(caller) as connection:
            members = TenantMembers(connection, organization_id)
            role = await members.role_of(user_id)
            if role is None:
                raise NotFoundError("There is no such member.")
            require_reach(caller, role, asked.role)
            await members.set_role(user_id, asked.role)
    except LastOwnerError as last:
        raise ConflictError("The last owner stays one: make another owner first.") from last
    services.identification.forget(str(user_id))
    await services.credentials_changed(organization_id)


@router.delete("/members/{user_id}", status_code=204, response_class=Response, dependencies=[permits("members:write")])
async def remove_member(organization_id: str, user_id: UUID, services: Given, caller: Caller) -> None:
    """Let a member go; what they may do ends within seconds. The last owner stays."""
    await _remove(organization_id, user_id, services, caller)


@router.delete("/membership", status_code=204, response_class=Response, dependencies=[permits("organization:read")])
async def leave(organization_id: str, services: Given, caller: Caller) -> None:
    """Leave the organization. The last owner cannot."""
    if caller.user_id is None:
        raise ForbiddenError("Only a person is a member.")
    await _remove(organization_id, UUID(caller.user_id), services, caller)


async def _remove(organization_id: str, user_id: UUID, services: Given, caller: Principal) -> None:
    try:
        async with services.writing(caller) as connection:
            members = TenantMembers(connection, organization_id)
            role = await members.role_of(user_id)
            if role is None:
                raise NotFoundError("There is no such member.")
            if str(user_id) != caller.user_id:
                require_reach(caller, role)
            await members.remove(user_id)
    except LastOwnerError as last:
        raise ConflictError("The last owner stays: make another owner first.") from last
    services.identification.forget(str(user_id))
    await services.credentials_changed(organization_id)


def require_reach(caller: Principal, *roles: str) -> None:
    """Only who may make owners touches one. Raises ForbiddenError."""
    if Role.OWNER in roles and "owners:write" not in caller.scopes:
        raise ForbiddenError("The credential lacks the scope owners:write.")
