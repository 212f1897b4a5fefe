"""Warehouses by the wire's name. `dialect_named` is the only way in."""

from __future__ import annotations

from dbt_state_oss.domain.dialects.dialect import CaseRule, Dialect, EpochClock

__all__ = ["CaseRule", "Dialect", "EpochClock"]
