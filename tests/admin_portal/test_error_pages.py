"""What is shown instead of a page: why, in the reader's language, and that nothing was done."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import translation

from notify.api.problems import handler500
from tests.admin_portal.conftest import SignIn
from tests.admin_portal.steering import scene

pytestmark = pytest.mark.django_db


def in_chinese(client: Client) -> Client:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    return client


def test_who_lost_a_permission_meanwhile_reads_it_and_nothing_is_changed() -> None:
    scene.set_up()
    row, li = scene.submitted(scene.operator()), scene.approver("li")
    client = scene.signed_in(li)
    li.user_permissions.remove(scene.permission("approve_degradation"))
    url = reverse("admin:admin_portal_degradationrequest_do", args=(row.pk, "approve"))
    refused = client.post(url, {"version": row.version})
    assert refused.status_code == 403
    assert "You do not have the permission for this (any more). Nothing was changed." in refused.content.decode()
    assert "没有任何改动" in in_chinese(client).post(url, {"version": row.version}).content.decode()
    assert scene.fresh(row).state == "pending"


def test_a_forged_form_is_told_so_and_changes_nothing() -> None:
    scene.set_up()
    row, client = scene.submitted(scene.operator()), Client(enforce_csrf_checks=True)
    client.force_login(scene.approver("li"))
    url = reverse("admin:admin_portal_degradationrequest_do", args=(row.pk, "approve"))
    forged = client.post(url, {"version": row.version})
    assert forged.status_code == 403
    assert "This form did not come from our page" in forged.content.decode()
    assert scene.fresh(row).state == "pending"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("admin_portal/degradationrequest/4711/standing/", 404, "没有这个页面"),
        ("notify/notification/?q=%00", 400, "无法理解"),
    ],
)
def test_what_is_not_there_or_makes_no_sense_is_told_in_the_reader_s_language(
    admin: Client, path: str, status: int, words: str
) -> None:
    answer = in_chinese(admin).get(f"/admin/{path}")
    assert (answer.status_code, words in answer.content.decode()) == (status, True)


def test_the_language_can_be_changed_there_too(admin: Client) -> None:
    html = admin.get("/admin/admin_portal/degradationrequest/4711/standing/").content.decode()
    assert 'value="en"' in html
    assert 'value="zh-hans"' in html


def test_a_page_that_one_may_not_see_says_so(sign_in: SignIn) -> None:
    refused = sign_in().get(reverse("admin:admin_portal_auditentry_changelist"))
    assert refused.status_code == 403
    assert "You do not have the permission for this." in refused.content.decode()


def test_a_defect_of_ours_has_a_page_without_a_question_to_the_database(django_assert_num_queries: object) -> None:
    request = RequestFactory().get("/admin/")
    with translation.override("zh-hans"), django_assert_num_queries(0):  # type: ignore[operator]
        assert "出了问题" in handler500(request).content.decode()
