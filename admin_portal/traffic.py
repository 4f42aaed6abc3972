"""What the demo's applications send: made-up people, orders and invoices. Pure: randomness is passed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

_PEOPLE: Final = (
    ("lin.wei", "林伟", "zh-CN"),
    ("wang.fang", "王芳", "zh-CN"),
    ("zhang.min", "张敏", "zh-CN"),
    ("chen.jing", "陈静", "zh-CN"),
    ("liu.yang", "刘洋", "zh-CN"),
    ("zhao.lei", "赵磊", "zh-CN"),
    ("emma.baker", "Emma Baker", "en"),
    ("noah.fischer", "Noah Fischer", "en"),
    ("olivia.rossi", "Olivia Rossi", "en"),
    ("lucas.martin", "Lucas Martin", "en"),
)
_GOODS: Final = ("Oolong tea 乌龙茶", "Desk lamp 台灯", "Notebook 笔记本", "Headphones 耳机", "Umbrella 雨伞")
_SERVICES: Final = (("payments 支付", "p95 > 2 s"), ("search 搜索", "5xx > 1%"), ("stock 库存", "lag > 60 s"))


@dataclass(frozen=True, slots=True)
class Call:
    """One request to make: as which application, to which path under /api/v1/, with which body."""

    application: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to write to. Nobody real: the domains are reserved, and the sandbox takes all calls."""

    user_id: str
    name: str
    locale: str
    number: int

    def to(self, *fields: str) -> dict[str, str]:
        """The addresses in ``fields``."""
        known = {
            "email": f"{self.user_id}@qinghe.example",
            "phone": f"+861380013{self.number:04d}",
            "user_id": self.user_id,
            "device_token": f"demo-device-{self.user_id}",
            "im": self.user_id,
            "url": f"https://partner.example/hooks/{self.user_id}",
        }
        return {field: known[field] for field in fields}


def _person(rng: Random) -> Person:
    user_id, name, locale = rng.choice(_PEOPLE)
    return Person(user_id, name, locale, rng.randrange(10_000))


def _invoice_params(rng: Random, now: datetime) -> dict[str, Any]:
    return {
        "number": f"QH-{now:%y%m}-{rng.randrange(10_000):04d}",
        "amount": f"¥{rng.randrange(20, 900)}.{rng.randrange(100):02d}",
        "due": f"{now + timedelta(days=14):%Y-%m-%d}",
    }


def _otp(rng: Random, now: datetime) -> Call:
    person = _person(rng)
    body = {
        "to": person.to("phone", "email"),
        "channels": ["sms", "email"],
        "route": "first",
        "template": "otp",
        "locale": person.locale,
        "params": {"code": f"{rng.randrange(1_000_000):06d}"},
        "priority": "critical",
        "category": "security",
        "ttl_s": 300,
    }
    return Call(rng.choice(("billing", "shop")), "notifications", body)


def _invoice(rng: Random, now: datetime) -> Call:
    person, params = _person(rng), _invoice_params(rng, now)
    body = {
        "to": person.to("email", "user_id"),
        "channels": ["email", "inapp"],
        "template": "invoice",
        "locale": person.locale,
        "params": {**params, "name": person.name},
        "category": "billing",
        "metadata": {"invoice": params["number"]},
    }
    return Call("billing", "notifications", body)


def _payment(rng: Random, now: datetime) -> Call:
    params = _invoice_params(rng, now)
    body = {
        "to": {"url": "https://partner.example/hooks/payments"},
        "channels": ["webhook"],
        "template": "payment-received",
        "locale": "en",
        "params": {"number": params["number"], "amount": params["amount"]},
        "category": "billing",
        "ttl_s": 600,
    }
    return Call("billing", "notifications", body)


def _shipped(rng: Random, now: datetime) -> Call:
    person = _person(rng)
    params = {"item": rng.choice(_GOODS), "carrier": "SF", "tracking": f"SF{rng.randrange(10**10):010d}"}
    body = {
        "to": person.to("device_token", "phone", "user_id"),
        "channels": ["push", "sms", "inapp"],
        "route": "first",
        "template": "order-shipped",
        "locale": person.locale,
        "params": params,
        "category": "orders",
    }
    return Call("shop", "notifications", body)


def _on_call(rng: Random, now: datetime) -> Call:
    person = _person(rng)
    service, problem = rng.choice(_SERVICES)
    channels = ["voice"] if rng.random() < 0.5 else ["im"]
    body = {
        "to": person.to("phone", "im"),
        "channels": channels,
        "template": "on-call",
        "locale": person.locale,
        "params": {"service": service, "problem": problem},
        "priority": "critical",
        "category": "incident",
        "ttl_s": 15,
    }
    return Call("hr", "notifications", body)


def _chat(rng: Random, now: datetime) -> Call:
    """Free text, without a template."""
    person = _person(rng)
    body = {
        "to": person.to("im"),
        "channels": ["im"],
        "content": {"text": f"{person.name}: {rng.choice(('会议改到 15:00', 'The door code changed.', '请查收周报'))}"},
        "ttl_s": 20,
    }
    return Call("hr", "notifications", body)


def _later(rng: Random, now: datetime) -> Call:
    """Scheduled for a minute or so from now."""
    person = _person(rng)
    body = {
        "to": person.to("email"),
        "channels": ["email"],
        "template": "payroll",
        "locale": person.locale,
        "params": {"name": person.name, "month": f"{now:%Y-%m}"},
        "category": "payroll",
        "send_at": (now + timedelta(seconds=rng.randrange(30, 120))).isoformat(),
    }
    return Call("hr", "notifications", body)


def _campaign(rng: Random, now: datetime) -> Call:
    people = [_person(rng) for _ in range(rng.randrange(10, 40))]
    body = {
        "channels": ["email"],
        "template": "promo",
        "locale": "zh-CN",
        "params": {"percent": rng.choice((10, 15, 20)), "coupon": f"AUTUMN{rng.randrange(100):02d}"},
        "priority": "bulk",
        "category": "marketing",
        "recipients": [
            {"to": person.to("email"), "params": {"name": person.name}, "ref": f"campaign-{number}"}
            for number, person in enumerate(people)
        ],
    }
    return Call("shop", "notifications/batch", body)


def _refused(rng: Random, now: datetime) -> Call:
    """What an application gets wrong: a variable is missing."""
    return Call(
        "shop", "notifications", {"to": _person(rng).to("phone"), "channels": ["sms"], "template": "otp", "params": {}}
    )


_SCENES: Final[Sequence[tuple[int, Callable[[Random, datetime], Call]]]] = (
    (24, _otp),
    (14, _invoice),
    (8, _payment),
    (20, _shipped),
    (8, _on_call),
    (12, _chat),
    (4, _later),
    (3, _campaign),
    (1, _refused),
)


def next_call(*, rng: Random, now: datetime) -> Call:
    """Something that one of the applications wants to say now."""
    weights = [weight for weight, _scene in _SCENES]
    (_weight, scene) = rng.choices(_SCENES, weights=weights)[0]
    return scene(rng, now)


@dataclass(frozen=True, slots=True)
class Outage:
    """When both IM gateways are down: from ``first_s`` on for ``length_s``, and again every ``every_s``."""

    first_s: float = 20
    length_s: float = 25
    every_s: float = 600

    def is_on(self, *, since_start_s: float) -> bool:
        """Whether the gateways are down now."""
        passed = since_start_s - self.first_s
        return passed >= 0 and passed % self.every_s < self.length_s
