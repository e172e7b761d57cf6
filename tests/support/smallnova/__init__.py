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

"""A small Nova: its real services in one process, for tests and the demo.

Nova's API on a loopback port, scheduler, conductor, compute and placement
run as they are, on native threads, with in-process messaging and sqlite
files. The neighbours (images, networks, volumes) are small HTTP services that
Nova's own clients talk to. The process can be killed and started again on
the same state directory.
"""

from __future__ import annotations

from tests.support.smallnova.handle import SmallNova

__all__ = ["SmallNova"]
