"""What holds for every test: properties are tried without a time limit for each example, since machines are busy at times."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("project", deadline=None, print_blob=True)
settings.load_profile("project")
