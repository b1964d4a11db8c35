"""Who speaks, and for which organization: what every credential comes down to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """What a credential may do in one organization.

    `subject` names the credential, never its secret: `key:` and an API key's id, or `user:` and a user's. `scopes`
    decide at our doors, `role` what Postgres lets it change. Only a person's credential has a `user_id`.
    """

    organization_id: str
    subject: str
    scopes: frozenset[str]
    role: str | None = None
    user_id: str | None = None
