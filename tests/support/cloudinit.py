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

"""The reader of config drives that guests have, where it is installed."""

from __future__ import annotations

import functools
import json
import subprocess
import sys

from ibmvirt import configdrive

_READ = """
import hashlib, json, sys
from cloudinit.sources.helpers import openstack
reader = openstack.ConfigDriveReader(sys.argv[1])
def plain(value):
    if isinstance(value, bytes):
        return "sha256:" + hashlib.sha256(value).hexdigest()
    raise TypeError(type(value))
print(json.dumps(reader.read_v2(), sort_keys=True, default=plain))
"""


@functools.cache
def python() -> str | None:
    """A Python that has cloud-init: this one, or the system's."""
    for found in (sys.executable, "/usr/bin/python3"):
        probe = [found, "-c", "import cloudinit.sources.helpers.openstack"]
        try:
            if not subprocess.run(probe, capture_output=True, timeout=60).returncode:
                return found
        except OSError:
            continue
    return None


def read(interpreter, image, to):
    """What cloud-init finds on a drive; bytes as their SHA-256.

    :param image: a path, or an open file.
    :param to: a directory that the drive is extracted to.
    """
    with configdrive.Image(image) as opened:
        opened.extract(to)
    ended = subprocess.run(
        [interpreter, "-c", _READ, str(to)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
    )
    return json.loads(ended.stdout)
