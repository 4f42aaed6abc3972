"""Policies: by which figures providers and channels are judged."""

from __future__ import annotations
