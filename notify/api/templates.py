"""Templates of the key's application, and those of the whole company, which it may use but not change."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import path, reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from channels.acting import acting
from notify import templating
from notify.api.base import ApiView
from notify.api.describing import IDEMPOTENCY_KEY, answers
from notify.api.idempotency import IdempotentPost
from notify.api.paging import parameters
from notify.api.reads import actor, worker
from notify.api.template_inputs import (
    NewTemplate,
    PreviewInput,
    TemplateInput,
    TemplateQuery,
    TemplateReplacement,
    TemplatesQuery,
    encode_cursor,
)
from notify.api.template_shapes import (
    NEW_TEMPLATE,
    PREVIEW,
    REPLACEMENT,
    TEMPLATE,
    PreviewShape,
    TemplateDetail,
    TemplatePage,
)
from notify.errors import FieldError, Forbidden, InvalidRequest, NotFound
from notify.models import Application, Template, TemplateVersion

_WRITERS: Final = ("send", "templates")


def _visible(application: Application) -> QuerySet[Template]:
    """What ``application`` may use: its own, and the company's where it has none of its own with that key."""
    own = Template.objects.filter(application=application, key=OuterRef("key"))
    company = Q(application=None) & ~Exists(own)
    return Template.objects.select_related("current").filter(
        Q(application=application) | company, current__isnull=False
    )


def _find(application: Application, key: str) -> Template:
    found = _visible(application).filter(key=key).first() if "\0" not in key else None
    if found is None:
        raise NotFound("There is no template with this key.")
    return found


def _present(template: Template, version: TemplateVersion) -> dict[str, Any]:
    return {
        "key": template.key,
        "category": template.category,
        "shared": template.application_id is None,
        "version": version.number,
        "default_locale": version.default_locale,
        "contents": version.contents,
        "variables": version.variables,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
    }


def _version(template: Template, number: int | None) -> TemplateVersion:
    version = templating.find_version(template=template, number=number)
    if version is None:
        raise NotFound("There is no such version of this template.")
    return version


class Templates(IdempotentPost, ApiView):
    """``templates``"""

    required_scopes = {"POST": _WRITERS}  # noqa: RUF012 (read-only by convention, like REST framework's own)

    @extend_schema(
        operation_id="list_templates",
        summary="List templates",
        description="The application's own and the company's, by key.",
        tags=["Templates"],
        parameters=parameters(TemplatesQuery),
        responses=answers(TemplatePage, 422),
        examples=[OpenApiExample("One template", value={"results": [TEMPLATE]}, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        """A page of templates."""
        query = self.read_query(TemplatesQuery)
        found = _visible(self.application).order_by("key")
        if query.cursor is not None:
            found = found.filter(key__gt=query.cursor)
        rows = list(found[: query.limit + 1])
        shown = rows[: query.limit]
        body: dict[str, Any] = {"results": [_present(row, _current(row)) for row in shown]}
        if len(rows) > query.limit:
            body["next_cursor"] = encode_cursor(shown[-1].key)
        return Response(body)

    @extend_schema(
        operation_id="create_template",
        summary="Create a template",
        description="The first version of a template of the application's own. `409 conflict` when it has one with "
        "this key; a template of the company with this key is from now on hidden by it.",
        tags=["Templates"],
        parameters=[IDEMPOTENCY_KEY],
        request=NewTemplate,
        responses=answers(TemplateDetail, 400, 409, 413, 415, 422, success=201),
        examples=[
            OpenApiExample("A code by SMS, in two languages", value=NEW_TEMPLATE, request_only=True),
            OpenApiExample("Created", value=TEMPLATE, response_only=True, status_codes=["201"]),
        ],
    )
    def post(self, request: Request) -> Response:
        """Makes a template."""
        given = self.read(NewTemplate)
        version = _publish(self, given.key, given, only_new=True)
        template = _find(self.application, given.key)
        location = reverse("template", args=[given.key])
        return Response(_present(template, version), status=201, headers={"Location": location})


class TemplateView(ApiView):
    """``templates/{key}``"""

    required_scopes = {"PUT": _WRITERS}  # noqa: RUF012

    @extend_schema(
        operation_id="get_template",
        summary="Get a template",
        tags=["Templates"],
        parameters=parameters(TemplateQuery),
        responses=answers(TemplateDetail, 404, 422),
        examples=[OpenApiExample("A template", value=TEMPLATE, response_only=True)],
    )
    def get(self, request: Request, key: str) -> Response:
        """One template, in one version."""
        query = self.read_query(TemplateQuery)
        template = _find(self.application, key)
        return Response(_present(template, _version(template, query.version)))

    @extend_schema(
        operation_id="replace_template",
        summary="Publish a new version",
        description="What was accepted before keeps the version that it was accepted with. The same contents again "
        "make no new version. Templates of the company can't be changed here.",
        tags=["Templates"],
        request=TemplateReplacement,
        responses=answers(TemplateDetail, 400, 404, 413, 415, 422),
        examples=[
            OpenApiExample("New words", value=REPLACEMENT, request_only=True),
            OpenApiExample("The new version", value={**TEMPLATE, "version": 2}, response_only=True),
        ],
    )
    def put(self, request: Request, key: str) -> Response:
        """Publishes a version."""
        given = self.read(TemplateReplacement)
        if given.key not in (None, key):
            fault = FieldError("key", "not_allowed", "The key is not the one in the address.")
            raise InvalidRequest(fault.detail, errors=[fault])
        if _find(self.application, key).application_id is None:
            raise Forbidden("This template is the whole company's; POST makes one of your own with this key.")
        version = _publish(self, key, given)
        return Response(_present(_find(self.application, key), version))


class TemplatePreview(IdempotentPost, ApiView):
    """``templates/{key}/preview``"""

    required_scopes = ("read", "send", "templates")

    @extend_schema(
        operation_id="preview_template",
        summary="Preview a template",
        description="Renders a template as it would be sent. Nothing is sent or stored.",
        tags=["Templates"],
        parameters=[IDEMPOTENCY_KEY],
        request=PreviewInput,
        responses=answers(PreviewShape, 400, 404, 409, 413, 415, 422),
        examples=[
            OpenApiExample("In Chinese", value={"locale": "zh-CN", "params": {"code": "1234"}}, request_only=True),
            OpenApiExample("As it would be sent", value=PREVIEW, response_only=True),
        ],
    )
    def post(self, request: Request, key: str) -> Response:
        """The messages that a template makes of parameters."""
        given = self.read(PreviewInput)
        template = _find(self.application, key)
        version = _version(template, given.version)
        channels = [given.channel] if given.channel is not None else sorted(version.contents)
        locale = given.locale or ""
        faults = _preview_faults(version, channels, locale, given.params)
        if faults:
            raise InvalidRequest("The template can't be rendered with this; see errors.", errors=faults)
        messages = {channel: _message(version, channel, locale, given.params) for channel in channels}
        return Response({"key": key, "version": version.number, "messages": messages})


def _current(template: Template) -> TemplateVersion:
    return _version(template, None)


def _publish(view: ApiView, key: str, given: TemplateInput, *, only_new: bool = False) -> TemplateVersion:
    with acting(worker(view)):
        return templating.publish(
            application=view.application,
            key=key,
            category=given.category,
            contents=given.contents,
            default_locale=given.default_locale,
            author=actor(view),
            now=timezone.now(),
            only_new=only_new,
        )


def _preview_faults(
    version: TemplateVersion, channels: list[Any], locale: str, params: dict[str, Any]
) -> list[FieldError]:
    if any(channel not in version.contents for channel in channels):
        return [FieldError("channel", "no_content_for_channel", "The template has no content for this channel.")]
    return templating.check_params(version, channels=channels, locale=locale, params=params)


def _message(version: TemplateVersion, channel: str, locale: str, params: dict[str, Any]) -> dict[str, Any]:
    rendered = templating.render(version=version, channel=channel, locale=locale, params=params)
    chosen = templating.choose_locale(version.contents[channel], locale, version.default_locale)
    return {"locale": chosen, "subject": rendered.subject, "text": rendered.text, "html": rendered.html}


urlpatterns = [
    path("templates", Templates.as_view()),
    path("templates/<str:key>", TemplateView.as_view(), name="template"),
    path("templates/<str:key>/preview", TemplatePreview.as_view()),
]
