"""What holds for every test.

Properties are tried without a time limit for each example, since machines are busy at times; where CI is set, always on the
same examples, so that a change is judged by what it does.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("project", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI")))
settings.load_profile("project")
