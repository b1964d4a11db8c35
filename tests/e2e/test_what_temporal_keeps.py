"""What the running stack's Temporal keeps are ids: nobody's number, address, name or word, encryption left out."""

import asyncio
import json
from collections.abc import Collection, Sequence
from uuid import uuid4

import httpx
import pytest

from serve.simulator.script import Said, ScriptedCall
from tests.chaos.ledger import Ledger
from tests.chaos.vendors import Vendors
from tests.e2e.product import Product
from tests.e2e.scripts import bodies, register, scripted
from tests.e2e.temporal_records import Kept, connected, kept, newest
from tests.running_stack import RunningStack
from workflows.contracts import CALL_PROCESSING_WORKFLOW, processing_workflow_id
from workflows.delivery_contracts import WEBHOOK_DELIVERY_WORKFLOW, delivery_workflow_id

CALLS = 4
OF_EACH_TYPE = 40
LARGEST_BYTES = 256 * 1024
"""Of an event, and so of any payload in it: from there on Temporal warns."""
SETTLED_SECONDS = 120.0
TOLD = """
with recent as (select * from calls order by created_at desc limit 60)
select from_number as told from recent
union select to_number from recent
union select transferred_to from recent
union select customer_name from recent
union select summary from recent
union select said ->> 'text'
from recent join call_transcripts t on t.call_id = recent.id and t.call_created_at = recent.created_at,
    jsonb_array_elements(t.messages) said
union select number from phone_numbers
union select address from notification_recipients
union select recipient from notifications
union select email from users
"""
"""What calls were about, and whom they were told: of the newest calls, which the newest runs are about."""
DELIVERIES = "select id from webhook_deliveries where call_id = any ($1)"
SHORTEST = 6
"""What is shorter may stand in a cipher by chance."""


def personal(ledger: Ledger) -> set[bytes]:
    """What must not be found, as text and as JSON writes it; numbers by their digits."""
    told = {row["told"] for row in ledger.ask(TOLD) if row["told"] is not None}
    bare = {each.strip().removeprefix("+") for each in told}
    written = {form for each in bare for form in (each, json.dumps(each)[1:-1])}
    return {each.encode() for each in written if len(each) >= SHORTEST}


def longest_said(call: ScriptedCall) -> bytes:
    return max((said.text for said in call.conversation if isinstance(said, Said)), key=len).encode()


def found(runs: Sequence[Kept], planted: Collection[bytes]) -> list[tuple[str, bytes]]:
    together = b"\n".join(part for each in runs for part in (each.raw, each.opened))
    return [(each.type, text) for text in planted if text in together for each in runs if each.holds(text)]


def test_the_histories_of_every_workflow_hold_nothing_of_anybody(stack: RunningStack, product: Product) -> None:
    calls, ledger = scripted(811, CALLS), Ledger(stack)
    register(product, calls)
    for call in calls:
        for body in bodies(call, chatter=False):
            assert product.post(body).status_code == httpx.codes.OK
    Vendors(ledger, product).settled([call.call_id for call in calls], seconds=SETTLED_SECONDS)
    ours = {processing_workflow_id(product.organization_id, call.call_id) for call in calls}
    ours |= {delivery_workflow_id(str(row["id"])) for row in ledger.ask(DELIVERIES, [call.call_id for call in calls])}
    runs = asyncio.run(newest(stack, of_each_type=OF_EACH_TYPE, also=ours))
    assert {each.type for each in runs if each.workflow_id in ours} == {
        CALL_PROCESSING_WORKFLOW,
        WEBHOOK_DELIVERY_WORKFLOW,
    }
    planted = personal(ledger)
    assert {word for call in calls for word in (call.customer_name.encode(), longest_said(call))} <= planted
    assert planted & {call.customer_number.removeprefix("+").encode() for call in calls}, "on the web nobody has one"
    assert found(runs, planted) == []
    assert [(each.workflow_id, each.largest_event) for each in runs if each.largest_event > LARGEST_BYTES] == []
    assert min(each.sealed for each in runs if each.workflow_id in ours) > 0
    for call in calls:
        assert found(runs, [call.call_id.encode()]), "ids stand there: what is looked for would be found"


@pytest.mark.parametrize("sealing", [True, False])
def test_what_is_put_into_a_workflow_is_found(stack: RunningStack, *, sealing: bool) -> None:
    planted = "+15550177123"

    async def look() -> Sequence[Kept]:
        client = await connected(stack, sealing=sealing)
        run = await client.start_workflow("Planted", {"to": [planted]}, id=f"planted-{uuid4()}", task_queue="nobody's")
        try:
            return await kept(stack, client, [(run.id, run.run_id)])
        finally:
            await run.terminate()

    [run] = asyncio.run(look())
    assert (run.holds(planted.encode()), planted.encode() in run.raw, run.sealed) == (True, not sealing, int(sealing))
