"""A real Home Assistant in a process of its own, and a client for it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
import os
from pathlib import Path
import signal
import socket
import sys
from typing import Any, Self

import aiohttp

USERNAME = "leaf"
PASSWORD = "leaf-to-home"
CLIENT_ID_PATH = "/"
# A busy machine takes minutes over it.
START_TIMEOUT_S = 300.0
STAND_INS = Path(__file__).parent / "stand_ins"


class DemoError(Exception):
    """What failed, in words for the person at the terminal."""


def _environment() -> dict[str, str]:
    """Return the environment with the stand-ins last, behind the real libraries."""
    if find_spec("pymicro_vad") and find_spec("pyspeex_noise"):
        return dict(os.environ)
    paths = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), str(STAND_INS)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def free_port(wanted: int) -> int:
    """Return `wanted`, or the next free port on 127.0.0.1."""
    last = min(wanted + 99, 65535)
    for port in range(wanted, last + 1):
        with socket.socket() as probe:
            # As Home Assistant's own server binds, so that a port in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise DemoError(
        f"no port is free from {wanted} to {last}: give another with --port"
    )


class RunningHomeAssistant:
    """One Home Assistant: its process, its log, its REST and websocket interfaces."""

    def __init__(self, config: Path, port: int) -> None:
        self.config = config
        self.url = f"http://127.0.0.1:{port}"
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._token = ""
        self._message_id = 0
        # The first-run interface is there as long as nobody has used it.
        onboarded = (config / ".storage" / "onboarding").exists()
        self._sign_of_life = "/manifest.json" if onboarded else "/api/onboarding"

    async def __aenter__(self) -> Self:
        """Start it and wait until it answers."""
        log = self.log_path.open("wb")
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "homeassistant",
                "--config",
                str(self.config),
                "--skip-pip",
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=_environment(),
            )
        finally:
            log.close()
        self._session = aiohttp.ClientSession(base_url=self.url)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._answers():
                    if self._process.returncode is not None:
                        raise DemoError(
                            f"Home Assistant ended at its start:\n{self.log_tail()}"
                        )
                    await asyncio.sleep(0.1)
        except TimeoutError as err:
            await self.stop()
            raise DemoError(
                f"Home Assistant did not answer in {START_TIMEOUT_S:.0f} s:\n"
                f"{self.log_tail()}"
            ) from err
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        await self.stop()

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        assert self._process
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """Return where the process writes its output."""
        return self.config / "home-assistant-output.log"

    def log_tail(self, lines: int = 30) -> str:
        """Return the last lines of the log."""
        text = self.log_path.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    async def _answers(self) -> bool:
        assert self._session
        with suppress(aiohttp.ClientError):
            async with self._session.get(self._sign_of_life) as response:
                return response.status == 200
        return False

    async def ended(self) -> int:
        """Wait for the process to end; return its exit code."""
        assert self._process
        return await self._process.wait()

    async def stop(self) -> None:
        """Close the connections and let the process shut down."""
        if self._socket:
            await self._socket.close()
        if self._session:
            await self._session.close()
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(30.0):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    async def onboard(
        self, *, name: str, country: str, currency: str, zone: str
    ) -> None:
        """Create the user and finish the first-run steps, as the browser would."""
        created = await self.post(
            "/api/onboarding/users",
            {
                "client_id": f"{self.url}{CLIENT_ID_PATH}",
                "name": name,
                "username": USERNAME,
                "password": PASSWORD,
                "language": "en",
            },
        )
        assert self._session
        async with self._session.post(
            "/auth/token",
            data={
                "client_id": f"{self.url}{CLIENT_ID_PATH}",
                "grant_type": "authorization_code",
                "code": created["auth_code"],
            },
        ) as response:
            token = (await response.json())["access_token"]
        await self.connect(token)
        await self.call(
            "config/core/update",
            country=country,
            currency=currency,
            time_zone=zone,
            location_name=name,
            unit_system="metric",
        )
        await self.post("/api/onboarding/core_config", {})
        await self.post("/api/onboarding/analytics", {})
        await self.post(
            "/api/onboarding/integration",
            {
                "client_id": f"{self.url}{CLIENT_ID_PATH}",
                "redirect_uri": f"{self.url}{CLIENT_ID_PATH}",
            },
        )

    async def connect(self, token: str) -> None:
        """Log in with an access token."""
        assert self._session
        self._token = token
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._socket = await self._session.ws_connect("/api/websocket")
        await self._socket.receive_json()
        await self._socket.send_json({"type": "auth", "access_token": token})
        answer = await self._socket.receive_json()
        if answer["type"] != "auth_ok":
            raise DemoError(f"Home Assistant refused the login: {answer}")

    async def long_lived_token(self, name: str) -> str:
        """Return a token that outlives this run."""
        return str(
            await self.call(
                "auth/long_lived_access_token", client_name=name, lifespan=1
            )
        )

    async def post(self, path: str, data: Mapping[str, Any]) -> Any:
        """Post JSON and return the answer."""
        assert self._session
        async with self._session.post(path, json=data) as response:
            body = await response.text()
            if response.status >= 300:
                raise DemoError(f"{path} answered {response.status}: {body}")
            return await response.json() if body else None

    async def delete(self, path: str) -> None:
        """Delete what is at a path."""
        assert self._session
        async with self._session.delete(path) as response:
            if response.status >= 300:
                raise DemoError(f"{path} answered {response.status}")

    async def call(self, kind: str, **data: Any) -> Any:
        """Send one websocket command and return its result."""
        assert self._socket
        self._message_id += 1
        message = {"id": self._message_id, "type": kind, **data}
        try:
            await self._socket.send_json(message)
        except aiohttp.ClientConnectionResetError:
            # It hangs up on who does not read for a minute, as in a long set-up.
            await self.connect(self._token)
            await self._socket.send_json(message)
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == self._message_id and answer["type"] == "result":
                break
        if not answer["success"]:
            raise DemoError(f"{kind} was refused: {answer['error']}")
        return answer["result"]

    async def action(self, domain: str, service: str, **data: Any) -> None:
        """Call an action."""
        await self.call(
            "call_service", domain=domain, service=service, service_data=data
        )

    async def states(self) -> dict[str, dict[str, Any]]:
        """Return all states by entity id."""
        return {state["entity_id"]: state for state in await self.call("get_states")}

    async def flow(
        self, path: str, handler: Any, answers: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Walk through a flow with one answer for each step id; return its end.

        A menu is answered with the step to go to, a form with its fields, or with a
        function that makes them of what the form proposes. A list answers the same step
        several times, one after the other.
        """
        rounds = {step: iter(_as_list(answer)) for step, answer in answers.items()}
        result: dict[str, Any] = await self.post(path, {"handler": handler})
        while result["type"] in ("form", "menu"):
            step = result["step_id"]
            answer = next(rounds.get(step, iter(())), None)
            if answer is None or result.get("errors"):
                raise DemoError(
                    f"the set-up stopped at step '{step}' with "
                    f"{result.get('errors') or 'no answer prepared'}"
                )
            if result["type"] == "menu":
                data = {"next_step_id": answer}
            elif callable(answer):
                data = answer(_proposed(result["data_schema"]))
            else:
                data = answer
            result = await self.post(f"{path}/{result['flow_id']}", data)
        if result["type"] != "create_entry":
            raise DemoError(f"the set-up ended with {result.get('reason', result)}")
        return result


def _as_list(answer: Any) -> list[Any]:
    return answer if isinstance(answer, list) else [answer]


def _proposed(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a form is filled in with."""
    values: dict[str, Any] = {}
    for field in fields:
        value = (field.get("description") or {}).get("suggested_value")
        if value is None:
            value = field.get("default")
        if value is not None:
            values[field["name"]] = value
    return values
