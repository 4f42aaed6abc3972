"""The view and its only URL."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.baselines.bare.models import Message


class RecipientSerializer(serializers.Serializer[dict[str, str]]):
    """Whom to send to."""

    phone = serializers.RegexField(r"^\+[1-9]\d{6,14}$", max_length=32)


class MessageSerializer(serializers.Serializer[Message]):
    """The same body as the product takes."""

    to = RecipientSerializer()
    channels = serializers.ListField(child=serializers.ChoiceField(["sms", "email"]), min_length=1, max_length=7)
    template = serializers.SlugField(max_length=128)
    locale = serializers.CharField(max_length=35)
    params = serializers.DictField()
    priority = serializers.ChoiceField(["critical", "normal", "bulk"])
    ttl_s = serializers.IntegerField(min_value=1, max_value=7 * 86400)


class Messages(APIView):
    """``POST``: one row."""

    def post(self, request: Request) -> Response:
        """Validates, inserts, answers."""
        serializer = MessageSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        message = Message(phone=fields.pop("to")["phone"], **fields)
        message.save(force_insert=True)
        return Response({"id": str(message.id), "status": "queued", "created_at": message.created_at}, status=202)


def ready(_request: HttpRequest) -> HttpResponse:
    """For the rig to know that it is there."""
    return HttpResponse("ok")


urlpatterns = [path("messages", Messages.as_view()), path("readyz", ready)]
