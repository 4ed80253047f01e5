"""What we are to others on the network: a node with one controller, which obeys nobody.

Some certified devices speak only to a controller that says what it is.
"""

from hashlib import sha256
from typing import Final

from .frames import CONTROLLER, NODE_PROFILE, Message, Service, class_code, encode_map

# No maker has this number: who is not a member of the consortium has none.
_MAKER: Final = b"\xff\xff\xff"
# Twelve letters are what the standard leaves for it.
_PRODUCT: Final = b"LEAF to Home"
_ALL_NODE_PROFILES: Final = NODE_PROFILE & 0xFFFF00
_ALL_CONTROLLERS: Final = CONTROLLER & 0xFFFF00

# By request: the answer with all that was asked for, and with a part of it.
_TOLD: Final = {
    Service.GET: (Service.GET_RES, Service.GET_SNA),
    Service.INF_REQ: (Service.INF, Service.INF_SNA),
}
_REFUSED: Final = {
    Service.SETC: Service.SETC_SNA,
    Service.SETI: Service.SETI_SNA,
}

_INSTANCES: Final = b"\x01" + CONTROLLER.to_bytes(3)
_INSTANCES_ANNOUNCED: Final = 0xD5


def identification(instance_id: str) -> bytes:
    """Return an identification number that is this installation's for good.

    It does not give away the installation's own, from which it is made.
    """
    unique = sha256(f"leaf_to_home {instance_id}".encode()).digest()[:13]
    return b"\xfe" + _MAKER + unique


class OwnNode:
    """Answers what may be asked of a node; what it holds never changes."""

    def __init__(self, number: bytes) -> None:
        profile = {
            0x80: b"\x30",
            # Version 1.13 of the standard, its own message format.
            0x82: bytes.fromhex("010d0100"),
            0x83: number,
            0x8A: _MAKER,
            0x8C: _PRODUCT,
            # One instance; its class and the profile's own.
            0xD3: (1).to_bytes(3),
            0xD4: (2).to_bytes(2),
            0xD6: _INSTANCES,
            0xD7: b"\x01" + class_code(CONTROLLER).to_bytes(2),
        }
        controller = {
            0x80: b"\x30",
            # It is nowhere in particular.
            0x81: b"\x00",
            0x82: b"\x00\x00R\x01",
            0x88: b"\x42",
            0x8A: _MAKER,
            0x8C: _PRODUCT,
        }
        self._objects = {
            NODE_PROFILE: _with_maps(profile, {0x80, _INSTANCES_ANNOUNCED}),
            CONTROLLER: _with_maps(controller, {0x80, 0x81, 0x88}),
        }
        # What is announced need not be there to be read.
        self._announced = {NODE_PROFILE: {_INSTANCES_ANNOUNCED: _INSTANCES}}

    def announcement(self) -> Message:
        """Return what a node says when it starts."""
        return Message(
            tid=0,
            source=NODE_PROFILE,
            target=NODE_PROFILE,
            service=Service.INF,
            properties=((_INSTANCES_ANNOUNCED, _INSTANCES),),
        )

    def answer(self, message: Message) -> Message | None:
        """Return what a request deserves, None for what is none, or is not for us.

        No answer is ever answered, so two nodes never keep each other busy; and nothing
        is told twice in one frame, so that it never is much more than was asked.
        """
        eoj = {
            _ALL_NODE_PROFILES: NODE_PROFILE,
            _ALL_CONTROLLERS: CONTROLLER,
        }.get(message.target, message.target)
        values = self._objects.get(eoj)
        asked = [epc for epc, _ in message.properties]
        if values is None or not asked or len(set(asked)) < len(asked):
            return None
        told: list[tuple[int, bytes]]
        match message.service:
            case Service.GET | Service.INF_REQ:
                if message.service is Service.INF_REQ:
                    values = values | self._announced.get(eoj, {})
                told = [(epc, values.get(epc, b"")) for epc in asked]
                service = _TOLD[message.service][not all(edt for _, edt in told)]
            case Service.SETC | Service.SETI:
                # What is refused comes back as it was.
                told = list(message.properties)
                service = _REFUSED[message.service]
            case Service.INFC:
                told = [(epc, b"") for epc in asked]
                service = Service.INFC_RES
            case _:
                return None
        return Message(
            tid=message.tid,
            source=eoj,
            target=message.source,
            service=service,
            properties=tuple(told),
        )


def _with_maps(values: dict[int, bytes], announced: set[int]) -> dict[int, bytes]:
    """Return an object with its property maps; nothing of it can be set."""
    return values | {
        0x9D: encode_map(announced),
        0x9E: encode_map(()),
        0x9F: encode_map((*values, 0x9D, 0x9E, 0x9F)),
    }
