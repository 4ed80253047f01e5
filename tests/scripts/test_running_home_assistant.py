"""How the demos talk to Home Assistant."""

import asyncio
from pathlib import Path

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
import pytest

from scripts.tools.running_home_assistant import RunningHomeAssistant


@pytest.mark.usefixtures("socket_enabled")
async def test_who_was_hung_up_on_logs_in_again(tmp_path: Path) -> None:
    """A server of our own: the real one hangs up only after a minute of silence."""
    logins: list[str] = []

    async def websocket(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "auth_required"})
        logins.append((await socket.receive_json())["access_token"])
        await socket.send_json({"type": "auth_ok"})
        if len(logins) == 1:
            # As it does with who does not answer its pings: without a word.
            assert request.transport is not None
            request.transport.close()
            return socket
        asked = await socket.receive_json()
        answer = {"id": asked["id"], "type": "result", "success": True}
        await socket.send_json(answer | {"result": asked["type"]})
        return socket

    app = web.Application()
    app.router.add_get("/api/websocket", websocket)
    async with TestServer(app) as server:
        assert server.port is not None
        running = RunningHomeAssistant(tmp_path, server.port)
        async with ClientSession(base_url=running.url) as session:
            running._session = session
            await running.connect("token")
            socket = running._socket
            assert socket is not None
            async with asyncio.timeout(30.0):
                while not socket._writer.transport.is_closing():
                    await asyncio.sleep(0.01)
            assert await running.call("get_states") == "get_states"
    assert logins == ["token", "token"]
