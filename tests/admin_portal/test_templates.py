"""Templates: written in the admin, published in versions, tried out before they are sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notify import templating
from notify.models import Template, TemplateVersion

ADD = "admin:notify_template_add"
INLINE = {"versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0"}
NEW = {"key": "welcome", "category": "hello", "default_locale": "en", **INLINE}
CONTENTS = {
    "sms": {"en": {"text": "Code {{ code }}"}, "zh-CN": {"text": "验证码 {{ code }}"}},
    "email": {"en": {"subject": "For {{ name }}", "text": "{{ code }}", "html": "<p>Dear {{ name }}</p>"}},
}
SAVED = {
    "category": "security",
    "default_locale": "en",
    "content:sms:en:text": "Code {{ code }}",
    "content:sms:zh-CN:text": "验证码 {{ code }}",
    "content:email:en:subject": "For {{ name }}",
    "content:email:en:text": "{{ code }}",
    "content:email:en:html": "<p>Dear {{ name }}</p>",
    **INLINE,
}


@pytest.fixture
def template(db: None) -> Template:
    version = templating.publish(
        application=None,
        key="otp",
        category="security",
        contents=CONTENTS,
        default_locale="en",
        author="somebody",
        now=timezone.now(),
    )
    return Template.objects.get(pk=version.template_id)


def url(template: Template, view: str = "change") -> str:
    return reverse(f"admin:notify_template_{view}", args=(template.pk,))


def preview(client: Client, template: Template, slot: str, params: str, **fields: str) -> str:
    form = {"version": "1", "slot": slot, "params": params, **fields}
    return client.post(url(template, "preview"), form).content.decode()


def test_a_template_is_made(admin: Client) -> None:
    admin.post(reverse(ADD), {**NEW, "new_channel": "sms", "new_locale": "en", "new_text": "Hi {{ name }}"})
    made = Template.objects.get(key="welcome")
    assert made.current is not None
    assert made.current.contents == {"sms": {"en": {"text": "Hi {{ name }}"}}}


def test_saving_publishes_a_new_version_and_keeps_the_old(admin: Client, template: Template) -> None:
    admin.post(url(template), {**SAVED, "content:sms:en:text": "Your code: {{ code }}"})
    template.refresh_from_db()
    assert template.current is not None
    assert template.current.number == 2
    assert template.current.contents["sms"]["en"] == {"text": "Your code: {{ code }}"}
    assert template.versions.get(number=1).contents == CONTENTS


def test_saving_the_same_makes_no_version(admin: Client, template: Template) -> None:
    admin.post(url(template), SAVED)
    assert TemplateVersion.objects.count() == 1


def test_line_ends_of_browsers_do_not_count_as_a_change(admin: Client) -> None:
    form = {**NEW, "new_channel": "sms", "new_locale": "en", "new_text": "one\r\ntwo"}
    admin.post(reverse(ADD), form)
    assert TemplateVersion.objects.get().contents["sms"]["en"]["text"] == "one\ntwo"


def test_a_content_is_added_and_another_taken_out(admin: Client, template: Template) -> None:
    fields = {"content:sms:zh-CN:remove": "on", "new_channel": "voice", "new_locale": "en", "new_text": "{{ code }}"}
    admin.post(url(template), {**SAVED, **fields})
    template.refresh_from_db()
    assert template.current is not None
    assert set(template.current.contents) == {"sms", "email", "voice"}
    assert set(template.current.contents["sms"]) == {"en"}


@pytest.mark.parametrize(
    "fault",
    [
        {"content:sms:en:text": "{{ code "},
        {"content:sms:en:text": "{% for i in (1..100000000) %}{% for j in (1..100000000) %}x{% endfor %}{% endfor %}"},
        {"new_channel": "sms"},
        {"new_channel": "sms", "new_locale": "en", "new_text": "again"},
        {"new_channel": "sms", "new_locale": "de", "new_text": "x", "new_html": "<p>"},
        {"default_locale": "not a locale"},
    ],
)
def test_a_faulty_template_is_not_published(admin: Client, template: Template, fault: dict[str, str]) -> None:
    assert admin.post(url(template), {**SAVED, **fault}).status_code == 200
    assert TemplateVersion.objects.count() == 1


def test_a_viewer_publishes_nothing(viewer: Client, template: Template) -> None:
    assert viewer.post(url(template), {**SAVED, "content:sms:en:text": "forged"}).status_code == 403
    assert viewer.post(reverse(ADD), NEW).status_code == 403
    assert TemplateVersion.objects.count() == 1


def test_a_viewer_reads_what_a_template_says(viewer: Client, template: Template) -> None:
    assert "验证码 {{ code }}" in viewer.get(url(template)).content.decode()


def test_the_preview_renders(viewer: Client, template: Template) -> None:
    assert "验证码 482913" in preview(viewer, template, "sms/zh-CN", '{"code": "482913"}')


def test_the_preview_shows_html_only_in_a_sandboxed_frame(viewer: Client, template: Template) -> None:
    html = preview(viewer, template, "email/en", '{"code": "1", "name": "<script>alert(1)</script>"}')
    assert "<script>alert(1)" not in html
    assert 'sandbox=""' in html
    assert "&amp;lt;script&amp;gt;alert(1)" in html


def test_the_preview_escapes_the_parameters_themselves(viewer: Client, template: Template) -> None:
    html = preview(viewer, template, "sms/en", '{"code": "</textarea><script>alert(1)</script>"}')
    assert "<script>alert(1)" not in html


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ("{}", "params.code"),
        ('{"code": 1, "surplus": 2}', "params.surplus"),
        ("[1]", "JSON object"),
        ("{", "valid JSON"),
    ],
)
def test_the_preview_says_what_is_wrong(viewer: Client, template: Template, params: str, complaint: str) -> None:
    assert complaint in preview(viewer, template, "sms/en", params)


def test_the_preview_proposes_the_variables(viewer: Client, template: Template) -> None:
    form: Any = viewer.get(url(template, "preview")).context["form"]
    assert set(form.initial["params"]) == {"code", "name"}


@pytest.mark.parametrize("fields", [{"version": "99"}, {"version": "x"}, {"slot": "sms/xx"}, {"slot": ""}])
def test_a_nonsensical_preview_is_no_error(viewer: Client, template: Template, fields: dict[str, str]) -> None:
    form = {"version": "1", "slot": "sms/en", "params": "{}", **fields}
    assert viewer.post(url(template, "preview"), form).status_code == 200


def test_a_template_is_not_deleted(admin: Client, template: Template) -> None:
    assert admin.post(url(template, "delete"), {"post": "yes"}).status_code == 403
    assert Template.objects.exists()
