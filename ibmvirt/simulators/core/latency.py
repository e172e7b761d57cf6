# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""How long calls take: profiles of simulated seconds by key."""

from __future__ import annotations

import random
import threading
import typing

PROFILES = ("none", "realistic")


class Latency:
    """``table`` is a list of key prefixes and (least, most) seconds.

    The first prefix that fits counts. Profile ``none`` is always zero.
    """

    def __init__(self, profile: str = "none") -> None:
        self.table: list[tuple[str, float, float]] = []
        self._lock = threading.Lock()
        self._random = random.Random(0)
        self.set_profile(profile)

    def set_profile(self, profile: str) -> None:
        """:raises ValueError: an unknown profile."""
        if profile not in PROFILES:
            raise ValueError(f"profile: must be one of {list(PROFILES)}")
        self.profile = profile

    def of(self, record: dict[str, typing.Any]) -> float:
        if self.profile == "none":
            return 0.0
        for prefix, least, most in self.table:
            if record["key"].startswith(prefix):
                with self._lock:
                    return self._random.uniform(least, most)
        return 0.0
