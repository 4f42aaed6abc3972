"""The second factor: taken up, shown at sign-in, lost and replaced. The one writer of authenticators and codes."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import django_otp
import segno
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from django_otp.oath import TOTP

from admin_portal import audit
from admin_portal.models import Authenticator, RecoveryCodes
from admin_portal.models.two_factor import DIGITS, STEP_S, hashed
from channels import encryption

ISSUER: Final = "Goutong"
_SECRET_BYTES: Final = 20
_CODES: Final = 10
#: Where a session keeps the secret that is being enrolled, encrypted.
_PENDING: Final = "two_factor_pending"


def person(request: HttpRequest) -> User:
    """Who is signed in, as the database has them now."""
    return User.objects.get(username=request.user.get_username())


def is_required_for(user: Any) -> bool:
    """Whether ``user`` is in a group that may change nothing without a second factor (``REQUIRE_TWO_FACTOR_FOR``)."""
    groups: Sequence[str] = settings.REQUIRE_TWO_FACTOR_FOR
    if not groups:
        return False
    needed: bool = user.groups.filter(name__in=groups).exists()
    return needed


def is_enrolled(user: Any) -> bool:
    """Whether ``user`` has an authenticator."""
    found: bool = Authenticator.objects.filter(user_id=user.pk).exists()
    return found


def codes_left(user: Any) -> int:
    """How many recovery codes ``user`` has left."""
    codes = RecoveryCodes.objects.filter(user_id=user.pk).first()
    return 0 if codes is None else len(codes.hashes)


# --- taking it up -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a person puts into their app: by camera, or by hand."""

    qr: SafeString
    secret: str


def begin(request: HttpRequest) -> Enrolment:
    """The secret that this session is enrolling: the same until it is done."""
    if _PENDING not in request.session:
        request.session[_PENDING] = encryption.encrypt(secrets.token_hex(_SECRET_BYTES))
    secret = base64.b32encode(bytes.fromhex(_pending(request))).decode()
    label = quote(f"{ISSUER}:{request.user.get_username()}")
    query = urlencode({"secret": secret, "issuer": ISSUER, "digits": DIGITS, "period": STEP_S})
    code = segno.make(f"otpauth://totp/{label}?{query}", micro=False)
    svg = code.svg_inline(scale=5, border=3, dark="#000", light="#fff")
    return Enrolment(qr=mark_safe(svg), secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)))  # noqa: S308


def _pending(request: HttpRequest) -> str:
    return str(encryption.decrypt(request.session[_PENDING]))


def finish(request: HttpRequest, *, token: str, now: datetime) -> list[str] | None:
    """Enrols the app that shows ``token``, in place of the one before, and returns new recovery codes: this is the only
    time that they are shown. None when the token is not the app's."""
    if _PENDING not in request.session or not token.isdecimal() or len(token) != DIGITS:
        return None
    totp = TOTP(bytes.fromhex(_pending(request)), step=STEP_S, digits=DIGITS)
    totp.time = now.timestamp()
    if not totp.verify(int(token), tolerance=1):
        return None
    user = person(request)
    with transaction.atomic():
        _forget(user)
        device = Authenticator.objects.create(
            user=user, name="app", secret=_pending(request), drift=totp.drift, last_step=totp.t()
        )
        codes = _new_codes(user)
        _note("two_factor.enrolled", user, actor=user.get_username(), now=now)
    del request.session[_PENDING]
    django_otp.login(request, device)
    return codes


def renew_codes(user: User, *, now: datetime) -> list[str]:
    """New recovery codes for ``user``; the old ones open nothing any more."""
    with transaction.atomic():
        codes = _new_codes(user)
        _note("two_factor.codes_renewed", user, actor=user.get_username(), now=now)
    return codes


def _new_codes(user: User) -> list[str]:
    plain = [base64.b32encode(secrets.token_bytes(10)).decode() for _ in range(_CODES)]
    hashes = [hashed(code) for code in plain]
    RecoveryCodes.objects.update_or_create(user=user, defaults={"name": "paper", "hashes": hashes})
    return ["-".join(code[i : i + 4] for i in range(0, len(code), 4)) for code in plain]


def remove(user: User, *, actor: str, now: datetime) -> bool:
    """Takes the second factor from ``user``: they themselves, or somebody who helps when the phone is lost. Says
    whether there was one."""
    with transaction.atomic():
        had = _forget(user)
        if had:
            _note("two_factor.removed", user, actor=actor, now=now)
    return had


def _forget(user: User) -> bool:
    RecoveryCodes.objects.filter(user=user).delete()
    removed, _tables = Authenticator.objects.filter(user=user).delete()
    return bool(removed)


# --- showing it -------------------------------------------------------------------------------------------------------


def verify(request: HttpRequest, *, token: str, now: datetime) -> bool:
    """Whether ``token`` is what the person's app shows, or one of their recovery codes; then this session has its
    second factor. Each wrong one doubles the wait before the next is looked at."""
    user = request.user
    token = "".join(token.split())
    kind: Any = Authenticator if len(token) == DIGITS else RecoveryCodes
    device = kind.objects.filter(user_id=user.pk).first()
    accepted = None if device is None else django_otp.verify_token(user, device.persistent_id, token)
    action = "two_factor.succeeded" if accepted else "two_factor.failed"
    if accepted and kind is RecoveryCodes:
        action = "two_factor.code_used"
        accepted = Authenticator.objects.get(user_id=user.pk)
    if accepted:
        request.session.cycle_key()
        django_otp.login(request, accepted)
    with transaction.atomic():
        _note(action, user, actor=user.get_username(), now=now)
    return bool(accepted)


def _note(action: str, user: Any, *, actor: str, now: datetime) -> None:
    audit.record(actor=actor, action=action, target=f"user:{user.get_username()}", now=now)
