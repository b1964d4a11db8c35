"""A model looks closer where one is set: over HTTP, as OpenAI's is asked."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from tests.fakes.processing_world import ProcessingWorld, processing_world, until
from tests.fakes.vapi_server import running_vapi
from workflows.errors import ProviderUnavailableError, RefusedError
from workflows.vendors.action_model import ActionModel

MODEL = "openai-chat:a-model"
SERVER = Path(sys.prefix) / "bin" / "temporal-test-server"


@dataclass(slots=True)
class ModelServer:
    """Answers with these actions, by the tool that the question offers, or with a status."""

    base_url: str = ""
    actions: list[str] = field(default_factory=list[str])
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def answer(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.asked.append(told)
        if self.status != 200:
            return web.json_response({"error": {"message": "told to"}}, status=self.status)
        called = {
            "id": "call-1",
            "type": "function",
            "function": {
                "name": told["tools"][0]["function"]["name"],
                "arguments": orjson.dumps({"actions": self.actions}).decode(),
            },
        }
        return web.json_response(
            {
                "id": "answer-1",
                "object": "chat.completion",
                "created": 1_790_000_000,
                "model": "a-model",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "tool_calls",
                        "message": {"role": "assistant", "content": None, "tool_calls": [called]},
                    }
                ],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        )


@asynccontextmanager
async def running_model(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[ModelServer]:
    server = ModelServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-test")
    yield server
    await runner.cleanup()


@asynccontextmanager
async def reading(
    database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[tuple[ProcessingWorld, ModelServer]]:
    async with (
        running_model(monkeypatch) as model,
        running_vapi() as vapi,
        processing_world(database_url, vapi, folder, SERVER, action_items_model=MODEL) as world,
    ):
        vapi.files["/recordings/mono.wav"] = b"RIFF"
        yield world, model


async def items(world: ProcessingWorld) -> list[tuple[str, str]]:
    rows = await world.fetch("select source, text from call_actions order by position")
    return [(row["source"], row["text"]) for row in rows]


async def test_what_a_model_finds_takes_the_place_of_what_rules_found(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(database_url, tmp_path, monkeypatch) as (world, model):
        model.actions = ["Send the form.", "send the form.", "Call back tomorrow."]
        await world.report()
        async with world.working():
            assert await world.finish() == "processed"
            history = await world.keep_history("model")
        assert await items(world) == [("model", "Send the form."), ("model", "Call back tomorrow.")]
        [asked] = model.asked
        assert "Please call me back tomorrow." in asked["messages"][-1]["content"]
        assert b"Send the form." not in history


async def test_a_model_that_is_away_delays_messages_for_two_minutes_and_what_rules_found_stays(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(database_url, tmp_path, monkeypatch) as (world, model):
        model.status = 503
        await world.report()
        async with world.working():
            await until(lambda: has(world, "call-processed"))
            assert await world.finish() == "processed"
            await world.keep_history("model-away")
        assert {source for source, _ in await items(world)} == {"rules"}
        noted = await world.fetch("select type, facts from webhook_inbox where type like 'step-%' order by id")
        assert [(note["type"], note["facts"]["details"]["step"]) for note in noted] == [
            ("step-delayed", "find_actions"),
            ("step-failed", "find_actions"),
        ]
        assert noted[1]["facts"]["details"]["reason"] == "given up"
        assert len(model.asked) > 2


async def test_a_model_that_refuses_is_asked_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(database_url, tmp_path, monkeypatch) as (world, model):
        model.status = 401
        await world.report()
        async with world.working():
            assert await world.finish() == "processed"
        assert len(model.asked) == 1
        assert {source for source, _ in await items(world)} == {"rules"}


async def test_a_question_is_sent_once_whatever_the_vendors_package_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_model(monkeypatch) as model:
        model.status = 503
        with pytest.raises(ProviderUnavailableError):
            await ActionModel(MODEL).find("User: Hello.")
        assert len(model.asked) == 1


async def test_a_model_of_no_known_vendor_is_refused() -> None:
    with pytest.raises(RefusedError):
        await ActionModel("nobody:a-model").find("User: Hello.")


async def test_what_the_provider_found_is_not_looked_for_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(database_url, tmp_path, monkeypatch) as (world, model):
        await world.report(analysis={"structuredData": {"action_items": ["Call back."]}})
        async with world.working():
            assert await world.finish() == "processed"
        assert model.asked == []
        assert await items(world) == [("provider", "Call back.")]


async def has(world: ProcessingWorld, kind: str) -> bool:
    return kind in await world.internal_types()
