"""What a person proves themselves with besides the password: an authenticator app, or a recovery code kept for the day
it is lost. The rules of guessing (each failure doubles the wait) are django-otp's."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from channels.encryption import EncryptedJSONField

if TYPE_CHECKING:
    from django.contrib.auth.models import User

DIGITS: Final = 6
STEP_S: Final = 30
#: A phone's clock may be so many steps off.
_TOLERANCE: Final = 1


def hashed(code: str) -> str:
    """How a recovery code is kept. 80 random bits need no slow hash."""
    return hashlib.sha256(code.replace("-", "").strip().upper().encode()).hexdigest()


class Authenticator(ThrottlingMixin, Device):  # type: ignore[misc]  # django-otp has no types
    """An authenticator app (TOTP). django-otp's own device keeps its secret in plain; this one encrypts it."""

    if TYPE_CHECKING:
        user: User

    secret = EncryptedJSONField(_("secret"))
    drift = models.SmallIntegerField(_("drift"), default=0)
    #: The step of the last token that was accepted: no token counts twice.
    last_step = models.BigIntegerField(_("last step"), default=-1)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("authenticator")
        verbose_name_plural = _("authenticators")
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("user",), name="portal_one_authenticator"),)

    def __str__(self) -> str:
        return f"{self.user}"

    def get_throttle_factor(self) -> float:
        """Seconds to wait after the first wrong token; they double with each further one."""
        return 1

    def verify_token(self, token: str) -> bool:
        """Whether ``token`` is the app's, now and for the first time. Called with the row locked."""
        allowed, _why = self.verify_is_allowed()
        if not allowed:
            return False
        totp = TOTP(bytes.fromhex(self.secret), step=STEP_S, digits=DIGITS, drift=self.drift)
        totp.time = time.time()
        is_number = len(token) == DIGITS and token.isascii() and token.isdecimal()
        if not (is_number and totp.verify(int(token), tolerance=_TOLERANCE, min_t=self.last_step + 1)):
            self.throttle_increment(commit=True)
            return False
        self.last_step, self.drift = totp.t(), totp.drift
        self.throttle_reset(commit=False)
        self.save()
        return True


class RecoveryCodes(ThrottlingMixin, Device):  # type: ignore[misc]  # django-otp has no types
    """Codes on paper, each good for one time. Only their hashes are kept."""

    if TYPE_CHECKING:
        user: User

    hashes = ArrayField(models.CharField(max_length=64), verbose_name=_("hashes"), default=list)

    class Meta:
        verbose_name = _("recovery codes")
        verbose_name_plural = _("recovery codes")
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("user",), name="portal_one_set_of_codes"),)

    def __str__(self) -> str:
        return f"{self.user}"

    def get_throttle_factor(self) -> float:
        """As for the authenticator."""
        return 1

    def verify_token(self, token: str) -> bool:
        """Whether ``token`` is one of the codes; then it is one no more. Called with the row locked."""
        allowed, _why = self.verify_is_allowed()
        if not allowed:
            return False
        known = hashed(token)
        if known not in self.hashes:
            self.throttle_increment(commit=True)
            return False
        self.hashes = [each for each in self.hashes if each != known]
        self.throttle_reset(commit=False)
        self.save()
        return True
