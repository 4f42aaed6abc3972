"""Policies: by which figures providers and channels are judged."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from admin_portal.admin.base import ModelAdmin, moment
from channels import configuration
from channels.models import Policy, Provider
from channels.names import CHANNELS
