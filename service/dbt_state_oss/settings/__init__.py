"""Settings: reads flags and environment variables into frozen values, once at startup.

`table.SETTINGS` defines all settings. `reading` creates the values.
"""

from __future__ import annotations

from dbt_state_oss.settings.reading import MASK, Chosen, chosen, faults_text, read_settings, shown, suggestion
from dbt_state_oss.settings.setting import Setting
from dbt_state_oss.settings.table import SETTINGS
from dbt_state_oss.settings.values import (
    DecisionSettings,
    JournalSettings,
    ListenSettings,
    LogSettings,
    ParsingSettings,
    Settings,
    StoreSettings,
    TicketSettings,
)

__all__ = [
    "MASK",
    "SETTINGS",
    "Chosen",
    "DecisionSettings",
    "JournalSettings",
    "ListenSettings",
    "LogSettings",
    "ParsingSettings",
    "Setting",
    "Settings",
    "StoreSettings",
    "TicketSettings",
    "chosen",
    "faults_text",
    "read_settings",
    "shown",
    "suggestion",
]
