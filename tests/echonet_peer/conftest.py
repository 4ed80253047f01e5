"""A network namespace with an independent device in it, joined by a veth pair.

The device binds the wildcard address, and so does whatever else speaks ECHONET Lite on
this machine; in a namespace it is alone, and multicast is real.
"""

from collections.abc import Generator
from contextlib import suppress
import json
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
from typing import Any

import pytest

HERE = Path(__file__).parent
PROVIDE = HERE.parents[1] / "scripts" / "lib" / "echonet_peer.sh"


class Peer:
    """The device: its network, its process, its log."""

    def __init__(self, folder: Path, modules: str) -> None:
        name = f"{random.randrange(0x1000000):06x}"
        # A range that is set aside for tests of networks.
        net = f"198.18.{random.randrange(1, 255)}"
        self.local_address, self.address = f"{net}.1", f"{net}.2"
        self._namespace = f"leaf-{name}"
        self._here, self._there = f"lf{name}a", f"lf{name}b"
        self._modules = modules
        self._log, self._control = folder / "peer.jsonl", folder / "peer.json"
        self._process: subprocess.Popen[bytes] | None = None

    def join(self) -> None:
        """Make the network."""
        here, there, namespace = self._here, self._there, self._namespace
        _ip("netns", "add", namespace)
        _ip("link", "add", here, "type", "veth", "peer", "name", there)
        _ip("link", "set", there, "netns", namespace)
        _ip("addr", "add", f"{self.local_address}/24", "dev", here)
        _ip("link", "set", here, "up")
        inside = ("-n", namespace)
        _ip(*inside, "addr", "add", f"{self.address}/24", "dev", there)
        _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "link", "set", there, "up")
        # Multicast needs a way out.
        _ip(*inside, "route", "add", "default", "dev", there)

    def part(self) -> None:
        """Leave nothing behind, whatever has failed."""
        self.stop()
        for what in (("link", "del", self._here), ("netns", "del", self._namespace)):
            with suppress(subprocess.CalledProcessError):
                _ip(*what)

    def start(self, *, curious: bool = False) -> None:
        """Switch the device on; a curious one gets to know who appears."""
        self._process = subprocess.Popen(
            [
                *("ip", "netns", "exec", self._namespace),
                *("node", str(HERE / "station.js"), str(self._log), str(self._control)),
                *(("curious",) if curious else ()),
            ],
            env={**os.environ, "NODE_PATH": self._modules},
            stdin=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """Switch it off."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def set_load(self, watts: float) -> None:
        """Let the house take so much."""
        self._control.write_text(json.dumps({"load": watts}))

    def log(self) -> list[dict[str, Any]]:
        """Return what the device noted."""
        if not self._log.exists():
            return []
        text = self._log.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    @property
    def node(self) -> str:
        """Return the identification number that it gave itself."""
        return next(str(line["id"]) for line in self.log() if line["event"] == "start")

    def writes(self, eoj: str = "027e01") -> list[tuple[str, str]]:
        """Return the properties of an object that were set, and their values."""
        return [
            (line["property"], line["value"])
            for line in self.log()
            if line["event"] == "set" and line["object"] == eoj
        ]

    def answers(self) -> list[tuple[str, str, dict[str, str]]]:
        """Return what it was answered and told: object, service, properties."""
        return [
            (line["object"], line["service"], line["properties"])
            for line in self.log()
            if line["event"] == "answer" and line["from"] == self.local_address
        ]


@pytest.fixture(scope="session")
def peer_modules() -> str:
    """Return where node finds the device's packages."""
    if sys.platform != "linux":
        pytest.skip("network namespaces are there on Linux only")
    if os.geteuid() != 0:
        pytest.skip("only root may make a network namespace")
    result = subprocess.run(
        [str(PROVIDE)], capture_output=True, text=True, check=False, timeout=300
    )
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines()
        pytest.skip(next((line for line in lines if "error: " in line), lines[-1]))
    return result.stdout.strip()


@pytest.fixture
def network(tmp_path: Path, peer_modules: str, socket_enabled: None) -> Generator[Peer]:
    """Return a device that is not switched on yet."""
    peer = Peer(tmp_path, peer_modules)
    try:
        try:
            peer.join()
        except subprocess.CalledProcessError as err:
            pytest.skip(f"no network namespace can be made: {err.stderr.strip()}")
        yield peer
    finally:
        peer.part()


@pytest.fixture
def peer(network: Peer) -> Peer:
    """Return a device that is switched on."""
    network.start()
    return network


def _ip(*arguments: str) -> None:
    subprocess.run(
        ["ip", *arguments], check=True, capture_output=True, text=True, timeout=20
    )
