"""Who else on this machine listens on the port of ECHONET Lite."""

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

PORT: Final = 3610
GROUP: Final = "224.0.23.0"

# Here only a name for what others have bound.
_WILDCARD: Final = "0.0.0.0"  # noqa: S104
_PROC: Final = Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """A socket on the port: its local address, and its program where that shows."""

    address: str
    program: str | None
    own_process: bool = False


def holders() -> list[Holder] | None:
    """Return who holds the port, None where this machine does not tell; reads files."""
    found: dict[str, str] = {}
    try:
        found = _sockets(_PROC / "net" / "udp")
    except OSError:
        return None
    with suppress(OSError):
        found |= _sockets(_PROC / "net" / "udp6")
    programs = _programs(set(found)) if found else {}
    return [
        Holder(
            address=address,
            program="Home Assistant" if own else program,
            own_process=own,
        )
        for inode, address in found.items()
        for program, own in [programs.get(inode, (None, False))]
        if address != GROUP
    ]


def conflict(
    known: list[Holder] | None, address: str, *, dedicated: bool
) -> Holder | None:
    """Return who would take our answers at `address`, or would lose its own to us.

    A program on all addresses talks from the machine's first address: an address that
    is `dedicated` to us is no loss to it, and answers to that one come to us.
    """
    if known is None:
        return None if dedicated else Holder(address=_WILDCARD, program=None)
    for holder in known:
        if holder.address == address:
            return holder
        if holder.address == _WILDCARD and not dedicated:
            return holder
    return None


def _sockets(path: Path) -> dict[str, str]:
    """Return inode and local address of the sockets on the port."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10:
            continue
        address, port = fields[1].split(":")
        if int(port, 16) == PORT:
            found[fields[9]] = _address(address)
    return found


def _address(text: str) -> str:
    raw = bytes.fromhex(text)
    # Each 32-bit word stands in the machine's own byte order.
    words = [raw[start : start + 4][::-1] for start in range(0, len(raw), 4)]
    if len(words) == 1:
        return str(IPv4Address(words[0]))
    if words[2] == b"\x00\x00\xff\xff":
        return str(IPv4Address(words[3]))
    return _WILDCARD if not any(b"".join(words)) else text


def _programs(inodes: set[str]) -> dict[str, tuple[str | None, bool]]:
    """Return the program behind each inode, as far as we may look."""
    links = {f"socket:[{inode}]": inode for inode in inodes}
    own = str((_PROC / "self").resolve().name)
    found: dict[str, tuple[str | None, bool]] = {}
    for process in _PROC.iterdir():
        if not process.name.isdigit():
            continue
        try:
            for descriptor in (process / "fd").iterdir():
                inode = links.get(str(descriptor.readlink()))
                if inode is not None:
                    name = (process / "comm").read_text(encoding="utf-8").strip()
                    found[inode] = (name, process.name == own)
        except OSError:
            # It ended meanwhile, or is none of our business.
            continue
    return found
