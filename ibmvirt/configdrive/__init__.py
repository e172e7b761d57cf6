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

"""Config drives as ISO 9660 images: build, read, extract and verify them.

A library of its own: it needs pycdlib and nothing else of this package.
"""

from __future__ import annotations

from ibmvirt.configdrive.builder import LABEL, Built, build
from ibmvirt.configdrive.errors import (
    ConfigDriveError,
    ConfigDriveInputError,
    ConfigDriveReadError,
    ConfigDriveUnsafeName,
    ConfigDriveUnsupportedFormat,
    ConfigDriveWriteError,
)
from ibmvirt.configdrive.reader import Image
from ibmvirt.configdrive.verification import GUESTS, GuestReport, Report, verify
from ibmvirt.configdrive.views import ISO9660, JOLIET, ROCK_RIDGE, Entry

__all__ = [
    "GUESTS",
    "ISO9660",
    "JOLIET",
    "LABEL",
    "ROCK_RIDGE",
    "Built",
    "ConfigDriveError",
    "ConfigDriveInputError",
    "ConfigDriveReadError",
    "ConfigDriveUnsafeName",
    "ConfigDriveUnsupportedFormat",
    "ConfigDriveWriteError",
    "Entry",
    "GuestReport",
    "Image",
    "Report",
    "build",
    "verify",
]
