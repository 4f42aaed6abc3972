"""The generic gateway, against the sandbox server and against servers that misbehave to the byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.adapters.http_sms import HttpSmsAdapter
from channels.errors import (
    ConfigurationError,
    MessageRejected,
    Misconfigured,
    OutcomeUnknown,
    ProviderError,
    RecipientRejected,
    Throttled,
    Unavailable,
)
from channels.sandbox.server import Sandbox
from tests.channels.adapter_contract import AdapterContract
from tests.channels.wire import http_server, message, response

SUCCESS = {"path": "code", "equals": 0}


class TestContract(AdapterContract):
    adapter = "http_sms"
    bad_message: ClassVar[dict[str, Any]] = {"text": "a lone surrogate \ud800"}
    secrets: ClassVar[list[str]] = ["s3cret-token", "s3cret-header"]
    bad: ClassVar[list[tuple[dict[str, Any], str]]] = [
        ({"url": "ftp://example.com"}, ""),
        ({"url": "https://{{ to }}/send"}, ""),
        ({"url": ""}, ""),
        ({"method": "TRACE"}, "method"),
        ({"method": "GET"}, ""),
        ({"body": "{{ text"}, "body"),
        ({"body": "{{ nothing_of_that_name }}"}, "body"),
        ({"body": "{{ text | no_such_filter }}"}, "body"),
        ({"body": "{% include 'x' %}"}, "body"),
        ({"headers": {"X-A": "{{"}}, "headers.X-A"),
        ({"success": {"path": "code"}}, "success.equals"),
        ({"success": {"path": "][", "equals": 0}}, "success.path"),
        ({"message_id": "]["}, "message_id"),
        ({"errors": {"no_such_kind": [1]}}, "errors.no_such_kind"),
        ({"connect_timeout_s": 0}, "connect_timeout_s"),
        ({"ca_file": "/no/such/file"}, "ca_file"),
        ({"proxy": "nonsense"}, "proxy"),
    ]

    @contextmanager
    def working(self) -> Iterator[dict[str, Any]]:
        with Sandbox(smtp_port=None) as sandbox:
            yield {
                "url": f"{sandbox.url}/sms/a/send",
                "token": "s3cret-token",
                "headers": {"X-Key": "s3cret-header"},
                "success": SUCCESS,
                "message_id": "data.id",
            }

    def pointed_at(self, config: dict[str, Any], port: int) -> dict[str, Any]:
        return {**config, "url": f"http://127.0.0.1:{port}/send"}


def sent(config: dict[str, Any], **fields: Any) -> tuple[str, dict[str, str], str]:
    """Request line, headers and body of the request that a configuration makes of a message."""
    with http_server(response()) as server:
        adapter = HttpSmsAdapter(provider="p", config={"url": "/send", "base_url": server.url, **config})
        adapter.send(message(**fields), timeout=5)
        adapter.close()
    head, _blank, body = server.requests[0].decode().partition("\r\n\r\n")
    line, *headers = head.split("\r\n")
    return line, {key.lower(): value for key, value in (header.split(": ", 1) for header in headers)}, body


def outcome(answer: bytes, **config: Any) -> Any:
    """What the adapter makes of ``answer``: a receipt, or the error it raises."""
    with http_server(answer) as server:
        adapter = HttpSmsAdapter(provider="p", config={"url": server.url, **config})
        try:
            return adapter.send(message(), timeout=5)
        except ProviderError as error:
            return error
        finally:
            adapter.close()


class TestRequest:
    def test_the_default_body_is_json_with_id_to_and_text(self) -> None:
        line, headers, body = sent({}, text='say "你好"\n')
        assert line == "POST /send HTTP/1.1"
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"] == "Goutong"
        assert json.loads(body)["text"] == 'say "你好"\n'
        assert set(json.loads(body)) == {"id", "to", "text"}

    def test_a_token_is_sent_as_bearer(self) -> None:
        assert sent({"token": "abc"})[1]["authorization"] == "Bearer abc"

    def test_an_authorization_header_of_ones_own_wins_over_the_token(self) -> None:
        assert sent({"token": "abc", "headers": {"Authorization": "Key {{ token }}"}})[1]["authorization"] == "Key abc"

    def test_headers_are_templates_too(self) -> None:
        assert sent({"headers": {"X-Priority": "{{ priority }}"}})[1]["x-priority"] == "normal"

    def test_values_in_a_url_are_encoded_without_being_asked(self) -> None:
        line, _headers, body = sent(
            {"method": "GET", "url": "/send?to={{ to }}&text={{ text | url_encode }}&x={{ params.x }}"},
            text="a&to=b",
            params={"x": "1 2"},
        )
        assert line == "GET /send?to=%2B8613800000000&text=a%26to%3Db&x=1%202 HTTP/1.1"
        assert body == ""

    def test_values_in_a_form_are_encoded_without_being_asked(self) -> None:
        _line, headers, body = sent(
            {"content_type": "application/x-www-form-urlencoded", "body": "to={{ to }}&text={{ text }}"},
            text="1&to=2",
        )
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        assert body == "to=%2B8613800000000&text=1%26to%3D2"

    def test_values_between_quotes_of_a_json_body_are_escaped_without_being_asked(self) -> None:
        body = sent({"body": '{"text": "{{ text }}"}'}, text='", "to": "+1')[2]
        assert json.loads(body) == {"text": '", "to": "+1'}

    def test_a_signature_can_be_made_of_the_text_and_the_token(self) -> None:
        body = sent({"token": "k", "body": '"{{ text | hmac_sha256: token }}{{ text | md5 }}{{ text | sha256 }}"'})[2]
        assert len(json.loads(body)) == 64 + 32 + 64

    def test_a_header_that_would_hold_a_line_break_is_not_sent(self) -> None:
        with pytest.raises(MessageRejected):
            sent({"headers": {"X-Subject": "{{ subject }}"}}, subject="a\r\nX-Evil: 1")

    def test_a_missing_parameter_rejects_the_message_and_names_it(self) -> None:
        with pytest.raises(MessageRejected, match="code"):
            sent({"body": '{"code": {{ params.code | json }}}'})

    def test_a_missing_parameter_may_have_a_default(self) -> None:
        assert json.loads(sent({"body": '{"code": {{ params.code | default: 7 | json }}}'})[2]) == {"code": 7}

    @settings(deadline=None)
    @given(text=st.text(st.characters(exclude_categories=["Cs"])), to=st.text(st.characters(exclude_categories=["Cs"])))
    def test_whatever_the_text_is_the_body_says_exactly_that(self, text: str, to: str) -> None:
        adapter = HttpSmsAdapter(
            provider="p", config={"url": "http://x.test", "body": '{"t": {{ text | json }}, "o": "{{ to }}"}'}
        )
        _url, _headers, body = adapter._write(message(text=text, to=to), now=message().deadline)
        assert json.loads(body or b"") == {"t": text, "o": to}


class TestAnswer:
    def test_any_2xx_is_a_yes_without_a_success_rule(self) -> None:
        assert outcome(response(204, b"")).provider_message_id == ""

    def test_the_providers_id_is_read(self) -> None:
        assert outcome(response(200, b'{"data": {"id": 17}}'), message_id="data.id").provider_message_id == "17"

    @pytest.mark.parametrize(
        ("equals", "body"),
        [(0, b'{"code": 0}'), (0, b'{"code": "0"}'), ("OK", b'{"code": "OK"}'), (True, b'{"code": true}')],
    )
    def test_the_right_value_is_a_yes(self, equals: object, body: bytes) -> None:
        assert not isinstance(outcome(response(200, body), success={"path": "code", "equals": equals}), ProviderError)

    def test_one_of_several_right_values_is_a_yes(self) -> None:
        answer = outcome(response(200, b'{"r": [{"s": 2}]}'), success={"path": "r[0].s", "equals": [1, 2]})
        assert not isinstance(answer, ProviderError)

    def test_true_is_not_one(self) -> None:
        assert isinstance(outcome(response(200, b'{"code": true}'), success={"path": "code", "equals": 1}), Unavailable)

    def test_an_unmapped_no_is_the_providers_fault_and_may_be_retried(self) -> None:
        error = outcome(response(200, b'{"code": 99, "why": "no credit"}'), success=SUCCESS)
        assert type(error) is Unavailable
        assert error.provider_fault
        assert "no credit" in error.detail

    @pytest.mark.parametrize("body", [b"<html>", b"", b"{}", b"[]", b'"code"', b"\xff"])
    def test_an_answer_that_does_not_say_is_an_unknown_outcome(self, body: bytes) -> None:
        assert isinstance(outcome(response(200, body), success=SUCCESS), OutcomeUnknown)

    @pytest.mark.parametrize("status", [200, 400, 500])
    def test_mapped_codes_mean_what_the_configuration_says_whatever_the_status(self, status: int) -> None:
        errors = {"recipient": [1], "message": ["M"], "throttled": [3], "misconfigured": [4], "detail": "msg"}
        kinds = {1: RecipientRejected, "M": MessageRejected, "3": Throttled, 4: Misconfigured}
        for code, kind in kinds.items():
            body = json.dumps({"code": code, "msg": "because"}).encode()
            error = outcome(response(status, body), success=SUCCESS, errors=errors)
            assert type(error) is kind
            assert error.detail == "because"

    def test_what_an_answer_echoes_of_our_secrets_is_struck_out(self) -> None:
        error = outcome(response(403, b"bad key s3cret-token"), token="s3cret-token")
        assert "s3cret-token" not in error.detail
        assert "bad key" in error.detail

    def test_addresses_that_an_answer_echoes_are_masked(self) -> None:
        assert "+8613800000000" not in outcome(response(422, b"bad number +8613800000000")).detail


def test_reports_that_nobody_reads_are_not_to_be_waited_for() -> None:
    with pytest.raises(ConfigurationError, match="report_within_s needs callback"):
        HttpSmsAdapter(provider="p", config={"base_url": "https://sms.example.com", "report_within_s": 10})


def test_errors_without_any_path_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        HttpSmsAdapter(provider="p", config={"url": "http://x.test", "errors": {"recipient": [1]}})


def test_the_least_configuration_is_a_url() -> None:
    assert HttpSmsAdapter(provider="p", config={"url": "http://x.test", "token": "t"})
