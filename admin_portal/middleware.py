"""In front of the pages: what no database can be asked for, and who may not go on as they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.defaults import bad_request

from admin_portal import audit
from admin_portal.access import sessions, two_factor

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class NulMiddleware:
    """Refuses addresses of the admin that hold U+0000: PostgreSQL has no such character, and every search, filter and
    id would fail on it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/admin/") and (
            "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path_info
        ):
            return bad_request(request, ValueError("U+0000"))
        return self._get_response(request)


def _is_piece(request: HttpRequest) -> bool:
    """Whether a page asks for a part of itself (htmx)."""
    return request.headers.get("HX-Request") == "true"


def _lead(request: HttpRequest, url: str) -> HttpResponse:
    """Sends a browser to ``url``; also one that only asked for a piece of a page."""
    if _is_piece(request):
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


class _ForSignedIn(ABC):
    """Looks at requests for the admin's pages by somebody who is signed in; the API and its callers go by."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = None
        if request.path_info.startswith("/admin/") and request.user.is_authenticated:
            answer = self.answer(request)
        return self._get_response(request) if answer is None else answer

    @abstractmethod
    def answer(self, request: HttpRequest) -> HttpResponse | None:
        """What is answered instead of the page; None: the page."""


class SessionEndMiddleware(_ForSignedIn):
    """Ends sessions that are over. A page that refreshes itself is nobody's presence; and where nobody is signed in any
    more it is told so, instead of showing the sign-in page in its middle."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = super().__call__(request)
        is_sent_away = response.status_code == 302 and response["Location"].startswith(reverse("admin:login"))
        return HttpResponse(status=401) if is_sent_away and _is_piece(request) else response

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        now = timezone.now()
        reason = sessions.end_reason(request.session, now=now)
        if reason is None:
            if not _is_piece(request):
                sessions.note_presence(request.session, now=now)
            return None
        name = request.user.get_username()
        audit.record(actor=name, action="session.ended", target=f"user:{name}", after={"reason": reason}, now=now)
        request.session.flush()
        messages.info(request, _("Your session is over. Please sign in again."))
        aim = request.get_full_path() if request.method == "GET" else reverse("admin:index")
        return _lead(request, f"{reverse('admin:login')}?{urlencode({'next': aim})}")


class SecondFactorMiddleware(_ForSignedIn):
    """Whoever has a second factor shows it before anything else; whoever needs one, and has none, changes nothing."""

    _WAYS_OUT = frozenset({"admin:logout", "admin:login", "admin:jsi18n"})

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        if request.user.is_verified() or self._is_way_out(request):  # type: ignore[union-attr]
            return None
        if two_factor.is_enrolled(request.user):
            aim = request.get_full_path() if request.method == "GET" else reverse("admin:index")
            verify = reverse("account:verify")
            return None if request.path == verify else _lead(request, f"{verify}?{urlencode({'next': aim})}")
        is_own = request.path.startswith(reverse("account:overview")) or request.path == reverse(
            "admin:password_change"
        )
        if request.method in _SAFE or is_own or not two_factor.is_required_for(request.user):
            return None
        messages.warning(request, _("Your role needs a second factor before it may change anything. Nothing was done."))
        return _lead(request, reverse("account:enrol"))

    def _is_way_out(self, request: HttpRequest) -> bool:
        return request.path in {reverse(name) for name in self._WAYS_OUT}
