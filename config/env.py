"""What the environment may say, validated once at start-up.

A missing or malformed value stops the process with one line that names it: an operator at 3 a.m. reads one line.
"""

from __future__ import annotations

import re
import secrets
import sys
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from cryptography.fernet import Fernet
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sentry_sdk.utils import BadDsn, Dsn

from channels.names import LANES, PRIORITIES
from config import stack

BASE_DIR = Path(__file__).resolve().parent.parent
CommaSeparated = Annotated[list[str], NoDecode]
#: Of a lane, or of a priority: its soft and its hard limit.
LaneLimits = Annotated[dict[str, tuple[int, int]], NoDecode]
_MAX_LANE_LIMIT = 50_000_000  # what can be counted in moments


def _check_url(value: str, *schemes: str) -> str:
    """``value``, empty or a URL of one of ``schemes`` with good ports. It may name several hosts, with commas."""
    if value and urlsplit(value).scheme not in schemes:
        raise ValueError(f"write a URL that begins with {', '.join(f'{scheme}://' for scheme in schemes)}")
    for host in _hosts(value):
        port = host.rpartition(":")[2] if ":" in host.rpartition("]")[2] else ""
        if port and not (port.isdecimal() and 0 < int(port) <= 65535):
            raise ValueError("its port is not a number from 1 to 65535")
    return value


def _hosts(url: str) -> list[str]:
    return urlsplit(url).netloc.rpartition("@")[2].split(",")


def _check_postgres_url(value: str) -> None:
    _check_url(value, "postgres", "postgresql")
    if not any(_hosts(value)) and "host=" not in urlsplit(value).query:
        raise ValueError("it names no host: postgres://user:password@host:port/name")


def _parse_lane_limits(text: str) -> dict[str, tuple[int, int]]:
    """``sms.bulk=200000:1000000,normal=…`` as numbers. Raises ValueError."""
    found: dict[str, tuple[int, int]] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        written = re.fullmatch(r"([a-z.]+)\s*=\s*(\d{1,12})\s*:\s*(\d{1,12})", part)
        if written is None:
            raise ValueError(f"“{part}”: write lane=soft:hard, such as sms.bulk=200000:1000000")
        name, soft, hard = written[1], int(written[2]), int(written[3])
        if name not in (*LANES, *PRIORITIES):
            raise ValueError(f"“{name}” is neither a lane nor a priority")
        if name.endswith("critical"):
            raise ValueError(f"{name} can't have a limit: what is critical is never refused")
        if name in found:
            raise ValueError(f"{name} is there twice")
        if not 1 <= soft <= hard <= _MAX_LANE_LIMIT:
            raise ValueError(f"“{part}”: 1 ≤ soft ≤ hard ≤ {_MAX_LANE_LIMIT}")
        found[name] = soft, hard
    return found


class Environment(BaseSettings):
    """The settings of the contract, and the few more that an operator may want to turn."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    port: int = Field(default=8000, ge=0, le=65535)
    flower_port: int = Field(default=5555, ge=0, le=65535)
    flower_basic_auth: str = ""
    bind_address: str = "127.0.0.1"
    data_dir: Path = Field(default=Path(".data"), validate_default=True)
    database_url: str = ""
    database_replica_urls: CommaSeparated = Field(default_factory=list)
    redis_url: str = ""
    broker_url: str = ""
    secret_key: str = ""
    debug: bool = False
    allowed_hosts: CommaSeparated = Field(default_factory=list)
    sentry_dsn: str = ""
    sentry_environment: str = "production"
    field_encryption_keys: CommaSeparated = Field(default_factory=list)
    demo: bool = False
    time_zone: str = "UTC"
    log_format: str = Field(default="json", pattern="^(json|console)$")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    process_name: str = "manage"
    metrics_token: str = ""
    web_workers: int = Field(default=2, ge=1, le=64)
    web_threads: int = Field(default=8, ge=1, le=64)
    lease_s: float = Field(default=30.0, ge=2.0, le=600.0)
    worker_threads: int = Field(default=8, ge=6, le=64)  # two drains for each of three lanes
    lane_limits: LaneLimits = Field(default_factory=dict)
    allow_private_urls: bool = False
    retention_days: int = Field(default=30, ge=1, le=3650)
    degradation_retention_days: int = Field(default=400, ge=1, le=3650)
    trusted_proxies: CommaSeparated = Field(default_factory=list)
    require_two_factor_for: CommaSeparated = Field(default_factory=list)
    session_idle_minutes: int = Field(default=60, ge=1, le=1440)
    session_hours: int = Field(default=12, ge=1, le=168)
    public_url: str = ""
    pager_webhook_url: str = ""
    sandbox_url: str = ""
    sandbox_port: int = Field(default=0, ge=0, le=65535)
    sandbox_smtp_port: int = Field(default=0, ge=0, le=65535)

    @field_validator(
        "database_replica_urls",
        "allowed_hosts",
        "field_encryption_keys",
        "trusted_proxies",
        "require_two_factor_for",
        mode="before",
    )
    @classmethod
    def split_commas(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("lane_limits", mode="before")
    @classmethod
    def parse_lane_limits(cls, value: Any) -> Any:
        return _parse_lane_limits(value) if isinstance(value, str) else value

    @field_validator("data_dir")
    @classmethod
    def anchor(cls, value: Path) -> Path:
        return BASE_DIR / value

    @field_validator("field_encryption_keys")
    @classmethod
    def check_keys(cls, keys: list[str]) -> list[str]:
        for number, key in enumerate(keys, 1):
            try:
                Fernet(key)
            except ValueError:
                raise ValueError(f"key {number} is not a Fernet key (32 bytes, url-safe base64)") from None
        return keys

    @field_validator("trusted_proxies")
    @classmethod
    def check_networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            try:
                ip_network(network, strict=False)
            except ValueError:
                raise ValueError(f"“{network}” is neither an IP address nor a network such as 10.0.0.0/8") from None
        return networks

    @field_validator("database_url")
    @classmethod
    def check_database_url(cls, value: str) -> str:
        if value:
            _check_postgres_url(value)
        return value

    @field_validator("database_replica_urls")
    @classmethod
    def check_replica_urls(cls, values: list[str]) -> list[str]:
        for value in values:
            _check_postgres_url(value)
        return values

    @field_validator("redis_url")
    @classmethod
    def check_redis_url(cls, value: str) -> str:
        return _check_url(value, "redis", "rediss", "unix")

    @field_validator("broker_url")
    @classmethod
    def check_broker_url(cls, value: str) -> str:
        for one in value.split(";"):  # Celery takes several brokers so
            _check_url(one, "redis", "rediss", "unix", "sentinel", "amqp", "amqps")
        return value

    @field_validator("sandbox_url", "public_url", "pager_webhook_url")
    @classmethod
    def check_web_url(cls, value: str) -> str:
        return _check_url(value, "http", "https")

    @field_validator("sentry_dsn")
    @classmethod
    def check_sentry_dsn(cls, value: str) -> str:
        try:
            if value:
                Dsn(value)
        except BadDsn as error:
            raise ValueError(f"not a DSN of Sentry ({error})") from None
        return value

    @field_validator("time_zone")
    @classmethod
    def check_time_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("there is no such time zone; write UTC, Asia/Shanghai, …")
        return value

    @field_validator("flower_basic_auth")
    @classmethod
    def check_flower_basic_auth(cls, value: str) -> str:
        user, colon, password = value.partition(":")
        if value and not (user and colon and password):
            raise ValueError("write user:password")
        return value

    @property
    def production(self) -> bool:
        """Whether start-up insists on real secrets: servers of one's own, and neither a demo nor debugging."""
        return bool(self.database_url) and not self.demo and not self.debug

    @cached_property
    def generated(self) -> dict[str, str]:
        """Secrets of a stack that nobody configured, made on first use and kept under DATA_DIR."""
        return stack.load_or_create_secrets(
            self.data_dir,
            lambda: {"secret_key": secrets.token_urlsafe(48), "field_encryption_key": Fernet.generate_key().decode()},
        )


def _stop(name: str, detail: str) -> None:
    sys.exit(f"goutong: setting {name}: {detail}")


def load() -> Environment:
    """Reads and checks the environment; exits with one line on the first thing that is wrong."""
    try:
        environment = Environment()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1]).upper()
        _stop(name, first["msg"].removeprefix("Value error, "))
        raise
    if environment.production:
        for name in ("secret_key", "field_encryption_keys", "allowed_hosts", "redis_url"):
            if not getattr(environment, name):
                _stop(name.upper(), "is required in production (it is missing or empty)")
    return environment
