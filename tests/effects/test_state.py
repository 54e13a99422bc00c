"""Caches, accumulation, chance."""

from __future__ import annotations
