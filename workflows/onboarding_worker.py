"""The part of a worker process that sets organizations up at their vendors."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from temporalio.client import Client
from temporalio.worker import Worker

from storage.billing import Billing
from storage.cache import Cache
from storage.notifications import Notifications
from storage.onboarding import Onboardings
from storage.postgres import Pool
from storage.provider_keys import ProviderKeys
from storage.sealing import Sealer
from workflows.activities.onboarding_account import OnboardingAccount
from workflows.activities.onboarding_course import OnboardingCourse
from workflows.activities.onboarding_line import Buying, OnboardingLine
from workflows.activities.onboarding_proof import OnboardingProof
from workflows.config import WorkerSettings
from workflows.delivery_worker import Running
from workflows.messaging import Messaging
from workflows.onboarding import OnboardingWorkflow
from workflows.onboarding_contracts import ONBOARDING_QUEUE
from workflows.onboarding_starts import OnboardingStarts
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.twilio_api import TwilioApi
from workflows.vendors.vapi_account import VapiAccount
from workflows.vendors.vapi_placing import PlacingClient
from workflows.vendors.vendor_http import VendorHttp

_MAX_ACTIVITIES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OnboardingActivities:
    """What the queue can do."""

    course: OnboardingCourse
    account: OnboardingAccount
    line: OnboardingLine
    proof: OnboardingProof

    @property
    def registered(self) -> Sequence[Callable[..., Any]]:
        return [
            self.course.begin_onboarding,
            self.course.fail_step,
            self.course.finish_onboarding,
            self.account.onboard_organization,
            self.account.onboard_customer,
            self.account.undo_customer,
            self.account.onboard_subscription,
            self.account.undo_subscription,
            self.line.onboard_assistant,
            self.line.undo_assistant,
            self.line.onboard_monitor,
            self.line.onboard_number,
            self.line.undo_number,
            self.line.onboard_import,
            self.line.undo_import,
            self.proof.onboard_probe,
            self.proof.onboard_test_call,
            self.proof.onboard_welcome,
        ]


@asynccontextmanager
async def open_onboarding(
    settings: WorkerSettings, pool: Pool, messaging: Messaging, *, cache: Cache | None, now: Callable[[], int]
) -> AsyncGenerator[OnboardingActivities]:
    """The activities, with the vendors that are set up; their connections end with the context."""
    sealer = Sealer(settings.encryption_key.get_secret_value())
    course, keys = OnboardingCourse(Onboardings(pool, sealer, cache)), ProviderKeys(pool, sealer)
    async with AsyncExitStack() as opened:
        vapi = await opened.enter_async_context(VapiAccount(settings.vapi_base_url))
        placing = await opened.enter_async_context(PlacingClient(settings.vapi_base_url))
        http = VendorHttp()
        opened.push_async_callback(http.close)
        stripe: StripeApi | None = None
        if settings.stripe_secret_key is not None:
            key = settings.stripe_secret_key.get_secret_value()
            stripe = await opened.enter_async_context(StripeApi(key, settings.stripe_base_url))
        buying: Buying | None = None
        sid, token = settings.twilio_account_sid, settings.twilio_auth_token
        if sid is not None and token is not None:
            api = TwilioApi(sid, token.get_secret_value(), settings.twilio_base_url)
            buying = Buying(api=await opened.enter_async_context(api), account_sid=sid, token=token.get_secret_value())
        base_url = settings.public_base_url
        yield OnboardingActivities(
            course=course,
            account=OnboardingAccount(course, Billing(pool, cache), stripe, now=now),
            line=OnboardingLine(course, keys, vapi, buying, base_url=base_url),
            proof=OnboardingProof(
                course,
                keys,
                http,
                placing,
                messages=Notifications(pool),
                messaging=messaging,
                base_url=base_url,
                now=now,
            ),
        )


def onboarding_workers(
    client: Client, activities: OnboardingActivities, options: Mapping[str, Any]
) -> Sequence[Running]:
    """The worker of the queue and what feeds it, not running yet."""
    told: dict[str, Any] = {"max_concurrent_activities": _MAX_ACTIVITIES, **options}
    worker = Worker(
        client,
        task_queue=ONBOARDING_QUEUE,
        workflows=[OnboardingWorkflow],
        activities=activities.registered,
        **told,
    )
    return (worker, OnboardingStarts(client, activities.course.store))
