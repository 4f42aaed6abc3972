"""Templates: languages, variables, versions, and rendering."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from notify import templating
from notify.errors import Conflict, InvalidRequest, TemplateError
from notify.models import Application, Template, TemplateVersion
from notify.template_contents import variables_of
from notify.template_params import value_faults
from notify.templating import check_contents, check_params, choose_locale, find_template, publish, render
from tests.factories import make_application

OTP = {"sms": {"zh-CN": {"text": "验证码 {{ code }}"}, "en": {"text": "Your code is {{ code }}"}}}


def publish_otp(application: Application | None, contents: Any = None, **values: Any) -> TemplateVersion:
    defaults = {"key": "otp", "category": "security", "default_locale": "en", "author": "me"}
    return publish(application=application, contents=contents or OTP, now=timezone.now(), **{**defaults, **values})


@pytest.mark.parametrize(
    ("locales", "locale", "default", "chosen"),
    [
        (["zh-CN", "zh", "en"], "zh-CN", "en", "zh-CN"),
        (["zh", "en"], "zh-CN", "en", "zh"),
        (["en", "fr"], "zh-CN", "en", "en"),
        (["zh-Hans", "en"], "zh-Hans-CN", "en", "zh-Hans"),
        (["zh-CN", "en"], "ZH_cn", "en", "zh-CN"),
        (["zh-TW", "zh-CN", "en"], "zh", "en", "zh-CN"),
        (["en-GB", "fr"], "de", "en", "en-GB"),
        (["en", "fr"], "de", "en-US", "en"),
        (["fr", "de"], "zh", "en", "de"),
        (["fr"], "", "en", "fr"),
        (["en", "fr"], "", "fr", "fr"),
        (["zh-CN", "en"], "zh-TW", "en", "zh-CN"),
    ],
)
def test_the_locale_that_serves_best_is_chosen(locales: list[str], locale: str, default: str, chosen: str) -> None:
    assert choose_locale(dict.fromkeys(locales), locale, default) == chosen


@pytest.mark.parametrize(
    ("text", "required", "optional"),
    [
        ("plain", [], []),
        ("{{ a }}", ["a"], []),
        ("{{ a | upcase }}", ["a"], []),
        ("{{ a | default: 'x' }}", [], ["a"]),
        ("{{ a | upcase | default: 'x' }}", ["a"], []),
        ("{{ a | default: b }}", ["b"], ["a"]),
        ("{{ a.b.c }}", ["a"], []),
        ("{{ a[b] }}", ["a", "b"], []),
        ("{% if a %}x{% endif %}", [], ["a"]),
        ("{% if a %}{{ a }}{{ b }}{% endif %}", ["b"], ["a"]),
        ("{% if a %}{{ a }}{% endif %}{{ a }}", ["a"], []),
        ("{% if a == 1 and b %}{{ b }}{% elsif c %}{{ c }}{% else %}{{ d }}{% endif %}", ["d"], ["a", "b", "c"]),
        ("{% unless a %}x{% else %}{{ a }}{% endunless %}", [], ["a"]),
        ("{% case a %}{% when b %}{{ a }}{{ c }}{% endcase %}", ["c"], ["a", "b"]),
        ("{% for x in a %}{{ x.y }}{{ forloop.index }}{{ z }}{% endfor %}", ["a", "z"], []),
        ("{% for x in (1..n) %}{{ x }}{% endfor %}", ["n"], []),
        ("{% assign x = a %}{{ x }}", ["a"], []),
        ("{% capture x %}{{ a }}{% endcapture %}{{ x }}", ["a"], []),
        ("{{ now | date: '%Y' }}", [], []),
        ("{% comment %}{{ a }}{% endcomment %}{% raw %}{{ b }}{% endraw %}", [], []),
    ],
)
def test_the_variables_of_a_template_are_found_in_it(text: str, required: list[str], optional: list[str]) -> None:
    found = variables_of({"sms": {"en": {"text": text}}})

    assert found == {"sms/en": {"required": required, "optional": optional}}


def test_the_variables_of_all_parts_count() -> None:
    parts = {"subject": "{{ a }}", "text": "{{ b }}{{ c | default: 1 }}", "html": "{{ c }}"}

    assert variables_of({"email": {"en": parts}})["email/en"] == {"required": ["a", "b", "c"], "optional": []}


@pytest.mark.parametrize(
    ("contents", "path", "code"),
    [
        (None, "contents", "required"),
        ({}, "contents", "required"),
        ([], "contents", "required"),
        ({"fax": {"en": {"text": "x"}}}, "contents.fax", "unknown_channel"),
        ({"sms": {}}, "contents.sms", "wrong_type"),
        ({"sms": "x"}, "contents.sms", "wrong_type"),
        ({"sms": {"english!": {"text": "x"}}}, "contents.sms.english!", "wrong_format"),
        ({"sms": {False: {"text": "x"}}}, "contents.sms.False", "wrong_format"),
        ({"sms": {"zh-CN": {"text": "x"}, "zh_cn": {"text": "x"}}}, "contents.sms.zh_cn", "duplicate"),
        ({"sms": {"en": "x"}}, "contents.sms.en", "wrong_type"),
        ({"sms": {"en": {}}}, "contents.sms.en.text", "required"),
        ({"sms": {"en": {"html": "x"}}}, "contents.sms.en.text", "required"),
        ({"sms": {"en": {"text": 1}}}, "contents.sms.en.text", "wrong_type"),
        ({"sms": {"en": {"text": "x", "body": "x"}}}, "contents.sms.en.body", "unknown_field"),
        ({"sms": {"en": {"text": "x" * 100_001}}}, "contents.sms.en.text", "too_long"),
        ({"sms": {"en": {"text": "a\x00"}}}, "contents.sms.en.text", "control_character"),
        ({"sms": {"en": {"text": "a\ud800"}}}, "contents.sms.en.text", "control_character"),
        ({"email": {"en": {"text": "x", "subject": "a\nBcc: b"}}}, "contents.email.en.subject", "control_character"),
        ({"sms": {"en": {"text": "a\n{{ b"}}}, "contents.sms.en.text", "template_error"),
        ({"sms": {"en": {"text": "a\n{% if %}"}}}, "contents.sms.en.text", "template_error"),
        ({"sms": {"en": {"text": "a\n{{ b | shout }}"}}}, "contents.sms.en.text", "template_error"),
        ({"sms": {"en": {"text": "a\n{% include 'b' %}"}}}, "contents.sms.en.text", "template_error"),
        ({"sms": {"en": {"text": "a\n{% render 'b' %}"}}}, "contents.sms.en.text", "template_error"),
        ({"sms": {"en": {"text": "a\n{% extends 'b' %}"}}}, "contents.sms.en.text", "template_error"),
    ],
)
def test_contents_that_make_no_sense_are_refused_where_they_do_not(contents: Any, path: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_contents(contents)

    (fault,) = caught.value.errors
    assert (fault.path, fault.code) == (path, code)
    if code == "template_error":
        assert "line 2" in fault.detail


def test_every_fault_of_contents_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_contents({"fax": {}, "sms": {"en": {"text": "{{"}, "zh": {"text": "{%"}}})

    assert len(caught.value.errors) == 3


@pytest.mark.parametrize(
    ("params", "path", "code"),
    [
        ({"code": "a\x07"}, "params.code", "control_character"),
        ({"code": "a\r\nb"}, "params.code", "control_character"),
        ({"code": {"x": ["\x00"]}}, "params.code.x[0]", "control_character"),
        ({"code": "x" * 70_000}, "params", "too_long"),
        ({"code": "\ud800"}, "params", "not_allowed"),
        ({"1a": 1}, "params.1a", "wrong_format"),
        ({"a b": 1}, "params.a b", "wrong_format"),
        ({"a": {"": 1}}, "params.a.", "wrong_format"),
    ],
)
def test_values_that_no_message_should_hold_are_refused(params: dict[str, Any], path: str, code: str) -> None:
    (fault,) = value_faults(params)

    assert (fault.path, fault.code) == (path, code)


def test_values_may_be_eight_levels_deep() -> None:
    deep: Any = 1
    for _ in range(7):
        deep = {"a": deep}
    assert value_faults({"a": deep}) == []

    (fault,) = value_faults({"a": {"a": deep}})
    assert fault.code == "too_deep"


def test_ordinary_values_are_fine() -> None:
    params = {"a": "两行\n\t👨‍👩‍👧", "b": 1.5, "c": None, "d": [True, {"e-f": "x"}], "_g": 2**53}

    assert value_faults(params) == []


@pytest.mark.django_db
class TestStored:
    @pytest.fixture
    def application(self) -> Application:
        return make_application()

    def test_publishing_makes_a_version_and_the_same_again_makes_none(self, application: Application) -> None:
        first = publish_otp(application)
        same = publish_otp(application)
        second = publish_otp(application, {"sms": {"en": {"text": "{{ code }}!"}}})

        assert (first.number, same.pk, second.number) == (1, first.pk, 2)
        assert Template.objects.get().current == second
        assert first.variables["sms/zh-CN"] == {"required": ["code"], "optional": []}

    def test_another_category_is_no_new_version(self, application: Application) -> None:
        publish_otp(application)

        assert publish_otp(application, category="login").number == 1
        assert Template.objects.get().category == "login"

    def test_what_has_to_be_new_is_refused_when_it_is_not(self, application: Application) -> None:
        publish_otp(application, only_new=True)

        with pytest.raises(Conflict):
            publish_otp(application, only_new=True)

    def test_faulty_contents_publish_nothing(self, application: Application) -> None:
        with pytest.raises(InvalidRequest):
            publish_otp(application, {"sms": {"en": {"text": "{{"}}})
        with pytest.raises(InvalidRequest):
            publish_otp(application, default_locale="nonsense!")

        assert not Template.objects.exists()

    def test_an_application_finds_its_own_template_before_the_companys(self, application: Application) -> None:
        company = publish_otp(None)
        own = publish_otp(application)

        assert find_template(application=application, key="otp")[1] == own
        assert find_template(application=make_application(), key="otp")[1] == company

    @pytest.mark.parametrize("key", ["other", "", "otp\x00", "x" * 5000])
    def test_an_unknown_template_is_told(self, application: Application, key: str) -> None:
        publish_otp(make_application())

        for wanted in (key, "otp"):
            with pytest.raises(InvalidRequest) as caught:
                find_template(application=application, key=wanted)
            assert [(fault.path, fault.code) for fault in caught.value.errors] == [("template", "unknown_template")]

    def test_finding_a_template_costs_one_query(
        self, application: Application, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        publish_otp(application)
        find_template(application=application, key="otp")

        with django_assert_num_queries(1):
            find_template(application=application, key="otp")

    def test_a_new_version_is_found_at_once(self, application: Application) -> None:
        publish_otp(application)
        find_template(application=application, key="otp")

        second = publish_otp(application, {"sms": {"en": {"text": "new"}}})

        assert find_template(application=application, key="otp")[1] == second

    def test_missing_and_surplus_variables_are_told(self, application: Application) -> None:
        contents = {**OTP, "email": {"en": {"subject": "{{ title }}", "text": "{{ body | default: code }}"}}}
        version = publish_otp(application, contents)

        def faults(channels: list[str], params: dict[str, Any]) -> list[tuple[str, str]]:
            found = check_params(version, channels=channels, locale="en", params=params)
            return [(fault.path, fault.code) for fault in found]

        assert faults(["sms"], {"code": 1}) == []
        assert faults(["sms"], {"code": 1, "title": "of the email", "body": "too"}) == []
        assert faults(["sms"], {}) == [("params.code", "missing_variable")]
        assert faults(["sms", "email"], {}) == [
            ("params.code", "missing_variable"),
            ("params.title", "missing_variable"),
        ]
        assert faults(["sms"], {"code": 1, "cod": 2}) == [("params.cod", "unknown_variable")]
        assert faults(["sms"], {"code": "\x00"}) == [("params.code", "control_character")]

    def test_a_message_is_rendered_in_its_language(self, application: Application) -> None:
        version = publish_otp(application)

        assert render(version=version, channel="sms", locale="zh-CN", params={"code": 7}).text == "验证码 7"
        assert render(version_id=version.pk, channel="sms", locale="de", params={"code": 7}).text == "Your code is 7"

    def test_html_escapes_parameters_and_text_does_not(self, application: Application) -> None:
        parts = {"subject": "{{ x }}", "text": "{{ x }}", "html": "<b>{{ x }}</b>{{ x | append: '<i>' }}"}
        version = publish_otp(application, {"email": {"en": parts}})

        rendered = render(version=version, channel="email", locale="en", params={"x": "<a&'\""})

        assert rendered.text == rendered.subject == "<a&'\""
        assert rendered.html == "<b>&lt;a&amp;&#39;&#34;</b>&lt;a&amp;&#39;&#34;<i>"

    def test_a_subject_is_one_line_whatever_is_put_into_it(self, application: Application) -> None:
        version = publish_otp(application, {"email": {"en": {"subject": "Hi {{ x }}", "text": "y"}}})

        rendered = render(version=version, channel="email", locale="en", params={"x": "a\r\nBcc: b\u2028c\x00"})

        assert rendered.subject == "Hi a Bcc: b c"

    def test_optional_variables_may_be_left_out(self, application: Application) -> None:
        text = "{% if a %}A{{ a }}{% else %}-{% endif %}{{ b | default: 'B' }}{% if c.d %}C{% endif %}"
        version = publish_otp(application, {"sms": {"en": {"text": text}}})

        assert render(version=version, channel="sms", locale="en", params={}).text == "-B"
        assert render(version=version, channel="sms", locale="en", params={"c": {}}).text == "-B"

    @pytest.mark.parametrize(
        ("text", "params"),
        [
            ("a\n{{ x.y }}", {"x": {}}),
            ("a\n{{ x.y }}", {"x": "secret"}),
            ("a\n{{ x | divided_by: 0 }}", {"x": "1"}),
            ("a\n{{ x | modulo: 3 }}", {"x": "1e999999999"}),
            ("a\n{{ x | floor }}", {"x": "inf"}),
            ("a\n{% if x > 3 %}{% endif %}", {"x": "secret"}),
            ("a\n{{ x | sort: 'secret' }}", {"x": [1, {"secret": 1}]}),
        ],
    )
    def test_values_that_a_template_can_not_work_with_are_an_error_that_does_not_quote_them(
        self, application: Application, text: str, params: dict[str, Any]
    ) -> None:
        version = publish_otp(application, {"sms": {"en": {"text": text}}})

        with pytest.raises(TemplateError) as caught:
            render(version=version, channel="sms", locale="en", params=params)

        assert "secret" not in caught.value.detail

    def test_a_channel_without_content_is_an_error(self, application: Application) -> None:
        version = publish_otp(application)

        with pytest.raises(TemplateError, match="email"):
            render(version=version, channel="email", locale="en", params={"code": 1})

    def test_a_version_that_is_gone_is_an_error(self) -> None:
        with pytest.raises(TemplateError):
            render(version_id=2**31 - 1, channel="sms", locale="en", params={})

    def test_a_rendered_version_costs_no_query_the_second_time(
        self, application: Application, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        version = publish_otp(application)
        render(version_id=version.pk, channel="sms", locale="en", params={"code": 1})

        with django_assert_num_queries(0):
            render(version_id=version.pk, channel="sms", locale="zh", params={"code": 1})


@pytest.mark.django_db(transaction=True)
def test_versions_published_at_once_are_numbered_one_after_the_other() -> None:
    application = make_application()

    def publish_one(index: int) -> int:
        try:
            return publish_otp(application, {"sms": {"en": {"text": f"text {index}"}}}).number
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(publish_one, range(6)))

    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]
    template = Template.objects.get()
    assert template.current is not None
    assert template.current.number == 6
    assert templating.find_version(template=template, number=3) is not None
