"""A PostgreSQL server of its own for tests, where the machine has the program."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import pwd
import shutil
import subprocess
import tempfile
from uuid import uuid4

import pytest

# Where Debian keeps what it does not put on the path.
DEBIAN = Path("/usr/lib/postgresql")
READY_S = 60


def _programs() -> Path | None:
    """Return the folder with initdb and pg_ctl."""
    found = shutil.which("pg_ctl")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(DEBIAN.glob("*/bin"))
    return folders[-1] if folders else None


@contextmanager
def server() -> Iterator[str]:
    """Run a server that listens on a socket only; yield that socket's folder."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL here (Debian: apt install postgresql)")
    # A socket's path has to be short, which pytest's own folders are not.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = None
    if os.geteuid() == 0:
        # It does not run as root.
        user = "postgres" if _exists("postgres") else "nobody"
        shutil.chown(folder, user)

    def run(*command: str) -> None:
        subprocess.run(
            [programs / command[0], *command[1:]],
            check=True,
            cwd=folder,
            user=user,
            stdout=subprocess.DEVNULL,
        )

    data = str(folder / "data")
    settings = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
    settings += " -c fsync=off"
    try:
        run("initdb", "-D", data, "-U", "home", "-A", "trust", "-E", "UTF8", "-N")
        run(
            *("pg_ctl", "-D", data, "-w", "-t", str(READY_S), "-o", settings),
            *("-l", str(folder / "log"), "start"),
        )
        yield str(folder)
    finally:
        subprocess.run(
            [programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
            check=False,
            cwd=folder,
            user=user,
            stdout=subprocess.DEVNULL,
        )
        shutil.rmtree(folder)


def database(socket: str) -> str:
    """Make an empty database; return its address in the recorder's form."""
    programs = _programs()
    assert programs is not None
    name = f"home_{uuid4().hex}"
    # One of its own for each test; all of them go with the server.
    subprocess.run(
        [programs / "createdb", "-h", socket, "-U", "home", name], check=True
    )
    return f"postgresql://home@/{name}?host={socket}"


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
