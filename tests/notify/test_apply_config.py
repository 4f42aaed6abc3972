"""Configuration as a file: all of it or nothing, and nothing the second time."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from channels.errors import ConfigurationError
from channels.models import Channel, Policy, Provider
from notify import configuration
from notify.models import Application, Template, TemplateVersion

pytestmark = pytest.mark.django_db

CONTRACT = """
applications:
  - {name: billing, tier: vip, rate_limit: 500/s, daily_quota: 1000000, channels: [email, sms], allowed_ips: []}
channels:
  - {name: sms, fallback: [email, inapp], outcome_unknown: hold, step_deadline_s: 60}
providers:
  - name: sms-a
    channel: sms
    adapter: http_sms
    weight: 70
    rate_limit: 200/s
    max_concurrency: 64
    timeout_s: 5
    enabled: true
    config:
      url: "http://127.0.0.1:9101/send"
      headers: {Authorization: "Bearer ${SMS_A_TOKEN}"}
      body: '{"id": {{ id | json }}, "to": {{ to | json }}, "text": {{ text | json }}}'
      success: {path: code, equals: 0}
      message_id: data.id
policies:
  - target: provider:sms-a        # or channel:sms
    window_s: 60
    min_samples: 20
    error_rate: {degrade: 0.10, open: 0.50}
    latency_p95_ms: {degrade: 2000, open: 5000}
    receipt_delay: {late_after_s: 300, degrade: 0.15}
    probe: {interval_s: 10, successes: 5}
    ramp: {steps: [10, 30, 60, 100], hold_s: 30}
templates:
  - key: otp
    category: security
    contents: {sms: {zh-CN: {text: "验证码 {{ code }}"}, en: {text: "Your code is {{ code }}"}}}
"""
TOKEN = "t0p-secret"


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMS_A_TOKEN", TOKEN)


def apply(tmp_path: Path, text: str, *options: str) -> list[str]:
    path = tmp_path / "goutong.yaml"
    path.write_text(text, encoding="utf-8")
    out = io.StringIO()
    call_command("apply_config", str(path), *options, stdout=out)
    return out.getvalue().splitlines()


def stored() -> dict[str, Any]:
    return {
        model.__name__: list(model._default_manager.order_by("pk").values())
        for model in (Application, Channel, Provider, Policy, Template, TemplateVersion)
    }


def faults(text: str, **environ: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        configuration.load(text, environ={"SMS_A_TOKEN": TOKEN, **environ})
    return dict(caught.value.errors)


def test_the_contracts_file_is_applied(tmp_path: Path) -> None:
    lines = apply(tmp_path, CONTRACT)

    assert lines == [
        "created application billing",
        "created channel sms",
        "created provider sms-a",
        "created policy provider:sms-a",
        "created template otp",
    ]
    application = Application.objects.get()
    assert (application.tier, application.daily_quota, application.channels) == ("vip", 1_000_000, ["email", "sms"])
    provider = Provider.objects.get()
    assert (provider.weight, provider.timeout_s, provider.rate_limit) == (70, 5.0, "200/s")
    assert provider.config["headers"]["Authorization"] == f"Bearer {TOKEN}"
    assert Channel.objects.get().fallback == ["email", "inapp"]
    assert Policy.objects.get().rules["ramp"] == {"steps": [10, 30, 60, 100], "hold_s": 30}
    template = Template.objects.get()
    assert template.application is None
    assert template.current is not None
    assert template.current.number == 1


def test_the_second_time_nothing_changes(tmp_path: Path) -> None:
    apply(tmp_path, CONTRACT)
    before = stored()

    assert apply(tmp_path, CONTRACT) == ["no changes"]
    assert stored() == before


def test_what_changed_is_told_by_name_and_not_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(tmp_path, CONTRACT)
    monkeypatch.setenv("SMS_A_TOKEN", "another-secret")

    changed = CONTRACT.replace("weight: 70", "weight: 60").replace("tier: vip", "tier: standard")
    lines = apply(tmp_path, changed.replace("Your code is", "Code:"))

    assert lines == [
        "updated application billing: tier",
        "updated provider sms-a: weight, config",
        "updated template otp: contents",
    ]
    assert TemplateVersion.objects.count() == 2


def test_keys_left_out_take_their_defaults(tmp_path: Path) -> None:
    apply(tmp_path, CONTRACT)

    apply(tmp_path, "applications: [{name: billing}]\npolicies: [{target: 'channel:sms'}]")

    application = Application.objects.get()
    assert (application.tier, application.rate_limit, application.daily_quota) == ("standard", "", None)
    assert Policy.objects.get(target="channel:sms").rules["error_rate"] == {"degrade": 0.1, "open": 0.5}


def test_null_stands_for_no_limit(tmp_path: Path) -> None:
    apply(tmp_path, CONTRACT)

    lines = apply(
        tmp_path,
        CONTRACT.replace("rate_limit: 500/s, daily_quota: 1000000", "rate_limit: null, daily_quota: null").replace(
            "rate_limit: 200/s", "rate_limit:"
        ),
    )

    assert lines == ["updated application billing: rate_limit, daily_quota", "updated provider sms-a: rate_limit"]
    assert (Application.objects.get().rate_limit, Provider.objects.get().rate_limit) == ("", "")


def test_what_the_file_does_not_name_is_left_alone(tmp_path: Path) -> None:
    apply(tmp_path, CONTRACT)

    assert apply(tmp_path, "applications: [{name: shop}]") == ["created application shop"]
    assert Application.objects.count() == 2
    assert Provider.objects.count() == 1


def test_a_dry_run_tells_and_changes_nothing(tmp_path: Path) -> None:
    assert len(apply(tmp_path, CONTRACT, "--dry-run")) == 5
    assert not any(stored().values())


def test_an_applications_own_template_is_its_own(tmp_path: Path) -> None:
    apply(tmp_path, CONTRACT.replace("key: otp", "key: otp\n    application: billing\n    default_locale: zh-CN"))

    template = Template.objects.get()
    assert template.application == Application.objects.get()
    assert template.current is not None
    assert template.current.default_locale == "zh-CN"


def test_the_file_may_come_by_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("applications: [{name: shop}]"))

    call_command("apply_config", "-", stdout=io.StringIO())

    assert Application.objects.get().name == "shop"


def test_a_channel_may_wait_for_reports_though_no_provider_of_it_promises_any(tmp_path: Path) -> None:
    apply(tmp_path, CONTRACT.replace("outcome_unknown: hold", "outcome_unknown: report"))

    assert Channel.objects.get(name="sms").outcome_unknown == "report"


@pytest.mark.parametrize("text", ["", "{}", "applications:\n", "applications: []"])
def test_an_empty_file_changes_nothing(tmp_path: Path, text: str) -> None:
    assert apply(tmp_path, text) == ["no changes"]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("name: billing", "name: 'Bill ing'", "applications[0].name"),
        ("tier: vip", "tier: gold", "applications[0].tier"),
        ("rate_limit: 500/s", "rate_limit: fast", "applications[0].rate_limit"),
        ("daily_quota: 1000000", "daily_quota: -1", "applications[0].daily_quota"),
        ("channels: [email, sms]", "channels: [email, fax]", "applications[0].channels[1]"),
        ("allowed_ips: []", "allowed_ips: [everywhere]", "applications[0].allowed_ips"),
        ("tier: vip", "teir: vip", "applications[0].teir"),
        ("{name: sms, fallback: [email, inapp]", "{name: sms, fallback: [sms]", "channels[0]"),
        ("outcome_unknown: hold", "outcome_unknown: shrug", "channels[0].outcome_unknown"),
        ("step_deadline_s: 60", "step_deadline_s: 0", "channels[0].step_deadline_s"),
        ("adapter: http_sms", "adapter: pigeon", "providers[0].adapter"),
        ("channel: sms\n", "channel: email\n", "providers[0].adapter"),
        ('url: "http://127.0.0.1:9101/send"', "url: nonsense", "providers[0].config"),
        ("message_id: data.id", "message-id: data.id", "providers[0].config.message-id"),
        ("weight: 70", "weight: many", "providers[0].weight"),
        ("max_concurrency: 64", "max_concurrency: 0", "providers[0].max_concurrency"),
        ("timeout_s: 5", "timeout_s: .inf", "providers[0].timeout_s"),
        ("target: provider:sms-a ", "target: provider:sms-z ", "policies[0].target"),
        ("target: provider:sms-a ", "target: channel:fax ", "policies[0].target"),
        ("degrade: 0.10, open: 0.50", "degrade: 0.60, open: 0.50", "policies[0].error_rate"),
        ("steps: [10, 30, 60, 100]", "steps: [30, 10, 100]", "policies[0].ramp"),
        ("successes: 5", "successes: 5, rate: 1", "policies[0].probe.rate"),
        ("key: otp", "key: OTP", "templates[0].key"),
        ("key: otp", "key: otp\n    application: nobody", "templates[0].application"),
        ("验证码 {{ code }}", "验证码 {{ code", "templates[0].contents.sms.zh-CN.text"),
        ("sms: {zh-CN", "fax: {zh-CN", "templates[0].contents.fax"),
        ("${SMS_A_TOKEN}", "${NO_SUCH_TOKEN}", "providers[0].config.headers.Authorization"),
        ("applications:", "aplications:", "aplications"),
        ("templates:", "templates: {}\nx:", "templates"),
    ],
)
def test_a_fault_is_told_with_its_path_and_nothing_is_changed(tmp_path: Path, old: str, new: str, path: str) -> None:
    assert old in CONTRACT
    text = CONTRACT.replace(old, new, 1)

    assert path in faults(text)
    with pytest.raises(CommandError) as caught:
        apply(tmp_path, text)
    assert caught.value.returncode == 1
    assert path in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert not any(stored().values())


@pytest.mark.parametrize(
    ("adapter", "channel", "config", "path"),
    [
        ("http_sms", "sms", {"url": "http://a.cn", "headers": {"X-Key": "a\r\nX-Other: b"}}, "headers.X-Key"),
        ("http_sms", "sms", {"url": "http://a.cn", "headers": {"X-Key": "secret\n"}}, "headers.X-Key"),
        ("http_sms", "sms", {"url": "http://a.cn", "headers": {"X-Key\r\nA": "b"}}, "headers"),
        ("http_sms", "sms", {"url": "http://a.cn/\r\n"}, "url"),
        ("http_sms", "sms", {"url": "http://a.cn", "token": "a\nb"}, "token"),
        ("http_sms", "sms", {"url": "http://a.cn", "content_type": "a/b\r\nX: y"}, "content_type"),
        ("http_sms", "sms", {"url": "http://a.cn", "body": "\0"}, "body"),
        ("smtp", "email", {"host": "a.cn", "from_email": "A <a@a.cn>\r\nBcc: b@b.cn"}, "from_email"),
        ("smtp", "email", {"host": "a.cn", "from_email": "a@a.cn", "reply_to": "b@a.cn\n"}, "reply_to"),
        ("smtp", "email", {"host": "a.cn\n", "from_email": "a@a.cn"}, "host"),
        ("smtp", "email", {"host": "a.cn", "from_email": "a@a.cn", "username": "u\r\n", "password": "p"}, "username"),
        ("smtp", "email", {"host": "a.cn", "from_email": "a@a.cn", "username": "u", "password": "p\r\n"}, "password"),
    ],
)
def test_a_line_break_in_a_providers_configuration_is_a_fault(
    adapter: str, channel: str, config: dict[str, Any], path: str
) -> None:
    provider = {"name": "a", "channel": channel, "adapter": adapter, "config": config}

    found = faults(json.dumps({"providers": [provider]}))

    assert list(found) == [f"providers[0].config.{path}"]


def test_a_line_break_that_a_variable_brings_is_a_fault() -> None:
    text = CONTRACT.replace("${SMS_A_TOKEN}", "${BROKEN}")

    assert "providers[0].config.headers.Authorization" in faults(text, BROKEN="a\nb")


def test_a_body_may_have_many_lines(tmp_path: Path) -> None:
    config = {"url": "http://127.0.0.1/send", "body": '{\n  "to": {{ to | json }}\n}'}
    provider = {"name": "a", "channel": "sms", "adapter": "http_sms", "config": config}

    assert apply(tmp_path, json.dumps({"providers": [provider]})) == ["created provider a"]


def test_every_fault_is_told_at_once() -> None:
    text = CONTRACT.replace("tier: vip", "tier: gold").replace("weight: 70", "weight: -1").replace("key: otp", "key: O")

    assert set(faults(text)) == {
        "applications[0].tier",
        "providers[0].weight",
        "policies[0].target",
        "templates[0].key",
    }


def test_the_same_name_twice_is_a_fault() -> None:
    assert "applications[1].name" in faults("applications: [{name: a}, {name: a}]")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("applications: [", "line 1"),
        ("applications: [{name: a, name: b}]", "twice"),
        ("applications: []\napplications: []", "line 2"),
        ("a: !!python/object/apply:os.system ['true']", "line 1"),
        ("- a", "mapping"),
        ("text", "mapping"),
        ("a: &a {x: 1}\nb: {<<: *a}", "merge"),
        ("a: &a [*a]", "too deep"),
        ("a: \x07", "YAML"),
        ("? [a, b]\n: 1", "unhashable"),
        ("[" * 10_000, "YAML"),
        ("x: " + "y" * (4 * 1024 * 1024), "larger"),
    ],
)
def test_a_file_that_is_not_plain_yaml_is_refused(text: str, words: str) -> None:
    assert words in " ".join(faults(text).values())


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["applications:", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    assert "aliases" in " ".join(faults("\n".join(lines)).values())


def test_a_variable_is_put_in_and_can_be_escaped() -> None:
    text = "applications: [{name: '${NAME}-x', tier: '${TIER}'}]\n"
    text += "templates: [{key: k, contents: {sms: {en: {text: '$${A} $5 ${B'}}}}]"

    loaded = configuration.load(text, environ={"NAME": "shop", "TIER": "vip"})

    assert (loaded.applications[0].name, loaded.applications[0].tier) == ("shop-x", "vip")
    assert loaded.templates[0].contents["sms"]["en"]["text"] == "${A} $5 ${B"


def test_what_a_variable_holds_is_not_expanded_again() -> None:
    loaded = configuration.load("applications: [{name: a, tier: '${T}'}]", environ={"T": "vip", "vip": "x"})

    assert loaded.applications[0].tier == "vip"


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_can_not_be_read_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError, match="can't be read"):
        call_command("apply_config", str(tmp_path / name))


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")

    with pytest.raises(CommandError, match="UTF-8"):
        call_command("apply_config", str(tmp_path / "x"))
