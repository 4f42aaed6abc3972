"""Coming in: guessing is slowed down, a second factor is asked for, sessions end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import TOTP

from admin_portal.access import two_factor
from admin_portal.models import AuditEntry, Authenticator, PersonSession
from admin_portal.models.two_factor import hashed
from tests.connections import end_connection

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-pass-phrase-7"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.9"
CHANGELIST = "admin:notify_batch_changelist"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def li(db: None) -> User:
    user = User.objects.create_user("li", password=PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name="Approver"))
    return user


def sign_in(client: Client, password: str = PASSWORD, *, address: str = HOME, name: str = "li") -> HttpResponse:
    form = {"username": name, "password": password, "next": "/admin/"}
    answer: Any = client.post(reverse("admin:login"), form, REMOTE_ADDR=address)
    return answer  # type: ignore[no-any-return]


def actions(*names: str) -> list[str]:
    return list(AuditEntry.objects.filter(action__in=names).order_by("number").values_list("action", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_costs_nobody_an_error_page(li: User) -> None:
    end_connection()

    assert sign_in(Client(raise_request_exception=False)).status_code == 302


# --- guessing ---------------------------------------------------------------------------------------------------------


def test_coming_in_and_going_out_is_written_down(li: User) -> None:
    client = Client()
    sign_in(client, "wrong")
    sign_in(client)
    client.post(reverse("admin:logout"), REMOTE_ADDR=HOME)
    wanted = ["login.failed", "login.succeeded", "logout"]
    assert actions(*wanted) == wanted
    assert set(AuditEntry.objects.filter(action__in=wanted).values_list("origin", "target")) == {(HOME, "user:li")}


def test_who_comes_in_without_an_aim_comes_to_the_board(li: User) -> None:
    answer = Client().post(reverse("admin:login"), {"username": "li", "password": PASSWORD})
    assert answer.headers["Location"] == reverse("admin:index")


def test_after_some_failures_the_right_password_opens_nothing_for_a_while(li: User) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(5):
            sign_in(Client(), "wrong")
        refused = sign_in(Client())
        assert refused.status_code == 429
        assert "too many attempts" in refused.content.decode()
        clock.shift(timedelta(minutes=16))
        assert sign_in(Client()).status_code == 302


def test_who_is_locked_out_reads_why_in_their_language(li: User) -> None:
    client = Client(headers={"Accept-Language": "zh-hans"})
    for _ in range(6):
        answer = sign_in(client, "wrong")
    assert "15 分钟" in answer.content.decode()


def test_failures_from_elsewhere_do_not_shut_a_colleague_out(li: User) -> None:
    for _ in range(7):
        sign_in(Client(), "wrong", address=ELSEWHERE)
    assert sign_in(Client(), address=ELSEWHERE).status_code == 429
    assert sign_in(Client(), address=HOME).status_code == 302


def test_knocking_on_at_a_closed_door_is_one_entry(li: User) -> None:
    for _ in range(9):
        sign_in(Client(), "wrong")
    assert actions("login.failed", "login.locked_out") == ["login.failed"] * 4 + ["login.locked_out"]


def test_guessing_is_slowed_down_while_valkey_is_gone(li: User, settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    for _ in range(5):
        sign_in(Client(), "wrong")
    assert sign_in(Client()).status_code == 429


def test_an_administrator_unlocks(li: User, admin: Client) -> None:
    for _ in range(5):
        sign_in(Client(), "wrong")
    from axes.models import AccessAttempt

    ids = [str(pk) for pk in AccessAttempt.objects.values_list("pk", flat=True)]
    url = reverse("admin:axes_accessattempt_changelist")
    admin.post(url, {"action": "delete_selected", "_selected_action": ids, "post": "yes"})
    assert sign_in(Client()).status_code == 302
    assert actions("login.unlocked") == ["login.unlocked"]


# --- the second factor ------------------------------------------------------------------------------------------------


def shown(secret: str, *, steps_ahead: int = 0) -> str:
    """What the app shows."""
    totp = TOTP(bytes.fromhex(secret), digits=6)
    totp.time = time.time() + 30 * steps_ahead
    return f"{totp.token():06d}"


def secret_of(user: User) -> str:
    return str(Authenticator.objects.get(user=user).secret)


@pytest.fixture
def clock() -> Iterator[Any]:
    """Time stands still, so that a token stays what it is."""
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def enrolled(li: User, clock: Any) -> tuple[User, list[str]]:
    """Somebody who has a second factor, with their recovery codes; their browser is closed again."""
    client = Client()
    sign_in(client)
    page = client.get(reverse("account:enrol"))
    secret = page.context["enrolment"].secret.replace(" ", "")
    import base64

    token = shown(base64.b32decode(secret).hex())
    done = client.post(reverse("account:enrol"), {"password": PASSWORD, "token": token})
    clock.shift(60)
    return li, list(done.context["codes"])


def test_the_enrolment_shows_a_code_to_scan_and_no_script(li: User) -> None:
    client = Client()
    sign_in(client)
    html = client.get(reverse("account:enrol")).content.decode()
    assert "<svg" in html
    assert "<script>" not in html


def test_the_secret_is_encrypted_in_the_database(enrolled: Any) -> None:
    from django.db import connection

    user, _codes = enrolled
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM admin_portal_authenticator")
        stored = cursor.fetchone()[0]
    assert secret_of(user) not in stored


def test_a_wrong_token_or_password_enrols_nothing(li: User) -> None:
    client = Client()
    sign_in(client)
    client.get(reverse("account:enrol"))
    client.post(reverse("account:enrol"), {"password": PASSWORD, "token": "000000"})
    client.post(reverse("account:enrol"), {"password": "wrong", "token": "000000"})
    assert not Authenticator.objects.exists()


def test_the_password_alone_opens_nothing_for_who_has_a_second_factor(enrolled: Any) -> None:
    client = Client()
    sign_in(client)
    for url in (reverse("admin:index"), reverse(CHANGELIST), reverse("account:enrol"), reverse("account:remove")):
        answer = client.get(url)
        assert answer.status_code == 302, url
        assert answer["Location"].startswith(reverse("account:verify"))


def test_with_the_apps_token_they_come_in_where_they_wanted_to(enrolled: Any) -> None:
    user, _codes = enrolled
    client = Client()
    sign_in(client)
    url = client.get(reverse(CHANGELIST))["Location"]
    answer = client.post(url, {"token": shown(secret_of(user))})
    assert answer["Location"] == reverse(CHANGELIST)
    assert client.get(reverse(CHANGELIST)).status_code == 200
    assert actions("two_factor.enrolled", "two_factor.succeeded") == ["two_factor.enrolled", "two_factor.succeeded"]


def test_a_token_counts_once(enrolled: Any) -> None:
    user, _codes = enrolled
    token = shown(secret_of(user))
    first, second = Client(), Client()
    for client in (first, second):
        sign_in(client)
        client.post(reverse("account:verify"), {"token": token})
    assert first.get(reverse("admin:index")).status_code == 200
    assert second.get(reverse("admin:index")).status_code == 302


def test_guessing_tokens_is_slowed_down(enrolled: Any) -> None:
    user, _codes = enrolled
    client = Client()
    sign_in(client)
    client.post(reverse("account:verify"), {"token": "000000"})
    client.post(reverse("account:verify"), {"token": shown(secret_of(user))})
    assert client.get(reverse("admin:index")).status_code == 302


def test_a_recovery_code_opens_once(enrolled: Any) -> None:
    _user, codes = enrolled
    for expected in (200, 302):
        client = Client()
        sign_in(client)
        client.post(reverse("account:verify"), {"token": codes[0]})
        assert client.get(reverse("admin:index")).status_code == expected


def test_recovery_codes_are_kept_as_hashes(enrolled: Any) -> None:
    user, codes = enrolled
    stored = user.recoverycodes_set.get().hashes
    assert hashed(codes[0]) in stored
    assert not set(codes) & set(stored)


def test_the_way_on_after_the_second_step_never_leads_elsewhere(enrolled: Any) -> None:
    user, _codes = enrolled
    client = Client()
    sign_in(client)
    url = reverse("account:verify") + "?next=https://evil.example/"
    assert client.post(url, {"token": shown(secret_of(user))})["Location"] == reverse("admin:index")


def test_an_approver_without_a_required_second_factor_changes_nothing_and_is_led_to_it(li: User, settings: Any) -> None:
    settings.REQUIRE_TWO_FACTOR_FOR = ["Approver"]
    client = Client()
    sign_in(client)
    assert client.get(reverse("admin:index")).status_code == 200
    answer = client.post(reverse(CHANGELIST), {"action": "anything"})
    assert (answer.status_code, answer["Location"]) == (302, reverse("account:enrol"))
    piece = client.post(reverse(CHANGELIST), headers={"HX-Request": "true"})
    assert piece["HX-Redirect"] == reverse("account:enrol")


def test_who_is_in_no_such_group_needs_none(li: User, settings: Any) -> None:
    settings.REQUIRE_TWO_FACTOR_FOR = ["Auditor"]
    client = Client()
    sign_in(client)
    assert client.post(reverse("account:end_other_sessions"))["Location"] == reverse("account:overview")
    assert client.post(reverse("admin:password_change"), {}).status_code == 200


def test_whoever_needs_a_second_factor_can_not_remove_it(enrolled: Any, settings: Any) -> None:
    settings.REQUIRE_TWO_FACTOR_FOR = ["Approver"]
    user, _codes = enrolled
    client = Client()
    sign_in(client)
    client.post(reverse("account:verify"), {"token": shown(secret_of(user))})
    client.post(reverse("account:remove"), {"password": PASSWORD})
    assert two_factor.is_enrolled(user)


def test_a_superuser_helps_who_lost_their_phone(enrolled: Any, admin: Client) -> None:
    user, _codes = enrolled
    url = reverse("admin:auth_user_remove_second_factor", args=(user.pk,))
    admin.get(url)
    assert two_factor.is_enrolled(user)
    admin.post(url)
    assert not two_factor.is_enrolled(user)
    assert actions("two_factor.removed") == ["two_factor.removed"]


def test_who_may_edit_users_does_not_take_a_second_factor_away(enrolled: Any, sign_in: Callable[..., Client]) -> None:
    user, _codes = enrolled
    client = sign_in("auth.view_user", "auth.change_user")
    assert client.post(reverse("admin:auth_user_remove_second_factor", args=(user.pk,))).status_code == 403
    assert two_factor.is_enrolled(user)


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_ends_when_nobody_is_there(li: User, clock: Any, settings: Any) -> None:
    client = Client()
    sign_in(client)
    clock.shift(settings.SESSION_IDLE_S + 1)
    answer = client.get(reverse(CHANGELIST))
    assert answer["Location"].startswith(reverse("admin:login"))
    assert actions("session.ended") == ["session.ended"]


def test_a_page_that_refreshes_itself_keeps_no_session_alive(li: User, clock: Any, settings: Any) -> None:
    client = Client()
    sign_in(client)
    for _ in range(2):
        clock.shift(settings.SESSION_IDLE_S * 0.6)
        answer = client.get(reverse("admin:index"), headers={"HX-Request": "true"})
    assert answer["HX-Redirect"].startswith(reverse("admin:login"))


def test_a_page_that_refreshes_itself_never_gets_the_sign_in_page_into_its_middle() -> None:
    piece = reverse("admin:admin_portal_degradationrequest_standing", args=(1,))
    assert Client().get(piece, headers={"HX-Request": "true"}).status_code == 401
    assert Client().get(piece).status_code == 302


def test_whoever_is_there_stays_but_not_for_ever(li: User, clock: Any, settings: Any) -> None:
    client = Client()
    sign_in(client)
    stayed = 0
    while client.get(reverse("admin:index")).status_code == 200:
        clock.shift(settings.SESSION_IDLE_S * 0.9)
        stayed += 1
        assert stayed < 100
    assert stayed * settings.SESSION_IDLE_S * 0.9 >= settings.SESSION_COOKIE_AGE


def test_a_new_password_ends_the_other_sessions(li: User) -> None:
    here, there = Client(), Client()
    sign_in(here)
    sign_in(there)
    new = "another-long-phrase-8"
    here.post(reverse("admin:password_change"), {"old_password": PASSWORD, "new_password1": new, "new_password2": new})
    assert here.get(reverse("admin:index")).status_code == 200
    assert there.get(reverse("admin:index")).status_code == 302


def test_a_person_sees_and_ends_their_other_sessions_and_nobody_elses(li: User, admin: Client) -> None:
    here, there = Client(), Client()
    sign_in(here)
    sign_in(there, address=ELSEWHERE)
    assert ELSEWHERE in here.get(reverse("account:overview")).content.decode()
    assert here.get(reverse("account:end_other_sessions")).status_code == 405
    here.post(reverse("account:end_other_sessions"))
    assert [client.get(reverse("admin:index")).status_code for client in (here, there, admin)] == [200, 302, 200]
    assert PersonSession.objects.filter(user=li).count() == 1


# --- what browsers are told -------------------------------------------------------------------------------------------


def test_pages_allow_no_inline_scripts_no_frames_and_no_devices(admin: Client) -> None:
    for url in (reverse("admin:index"), reverse("admin:login"), reverse("docs")):
        answer = admin.get(url)
        policy = answer["Content-Security-Policy"]
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert scripts == "script-src 'self' 'unsafe-eval'"
        assert "frame-ancestors 'none'" in policy
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "same-origin"
        assert "camera=()" in answer["Permissions-Policy"]


def test_the_api_is_told_nothing_of_that() -> None:
    answer = Client().get("/api/v1/channels")
    assert "Content-Security-Policy" not in answer.headers


def test_a_form_that_comes_from_elsewhere_is_refused(li: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(li)
    assert client.post(reverse("account:end_other_sessions")).status_code == 403
