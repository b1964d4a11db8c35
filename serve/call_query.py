"""What a request for calls may ask: the same for pages and exports."""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from actors.domain.call import CallStatus
from actors.domain.ended_reasons import EndedClass, FaultOwner
from serve.errors import InvalidParameterError
from serve.resource_schemas import TagName
from storage.call_filter import CallFilter

ShortText = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
_LONGEST_SECONDS: Final = 7 * 24 * 3600


class CallQuery(BaseModel):
    """The date range and the filters; what is left out filters nothing."""

    model_config = ConfigDict(frozen=True)

    since: AwareDatetime | None = Field(None, alias="from", description="Default: 7 days before `to`.")
    until: AwareDatetime | None = Field(None, alias="to", description="Exclusive. Default: now.")
    status: CallStatus | None = None
    assistant_id: ShortText | None = None
    direction: Literal["inbound", "outbound", "web"] | None = None
    number: ShortText | None = Field(None, description="The caller's or the called one.", examples=["+15550100"])
    ended_class: EndedClass | None = None
    ended_reason: ShortText | None = Field(None, description="VAPI's own word.", examples=["customer-busy"])
    fault_owner: FaultOwner | None = None
    min_duration_seconds: float | None = Field(None, ge=0, le=_LONGEST_SECONDS)
    max_duration_seconds: float | None = Field(None, ge=0, le=_LONGEST_SECONDS)
    campaign_id: ShortText | None = None
    has_recording: bool | None = None
    has_incident: bool | None = Field(None, description="Whether an alarm was raised about the call.")
    tag: TagName | None = Field(None, description="One of the call's tags.", examples=["vip"])
    search: ShortText | None = Field(
        None,
        description='Words of the transcript: all of them, `"in this order"`, `or`, `-without`.',
        examples=["refund -invoice"],
    )

    def filter(self) -> CallFilter:
        """The filters without the range. Raises InvalidParameterError."""
        least, most = _ms(self.min_duration_seconds), _ms(self.max_duration_seconds)
        if least is not None and most is not None and least > most:
            detail = "`min_duration_seconds` must not exceed `max_duration_seconds`."
            raise InvalidParameterError(detail, [{"at": "query.min_duration_seconds", "detail": detail}])
        return CallFilter(
            status=self.status and self.status.value,
            assistant_id=self.assistant_id,
            direction=self.direction,
            number=self.number,
            ended_class=self.ended_class and self.ended_class.value,
            ended_reason=self.ended_reason,
            fault_owner=self.fault_owner and self.fault_owner.value,
            least_duration_ms=least,
            most_duration_ms=most,
            campaign_id=self.campaign_id,
            has_recording=self.has_recording,
            has_incident=self.has_incident,
            tag=self.tag,
            words=self.search,
        )


class CallPageQuery(CallQuery):
    cursor: str | None = Field(None, max_length=200, description="`next_cursor` of the page before.")
    limit: int = Field(50, ge=1, le=200)


class CallExportQuery(CallQuery):
    format: Literal["csv", "ndjson"] = "csv"


def _ms(seconds: float | None) -> int | None:
    return round(seconds * 1000) if seconds is not None else None
