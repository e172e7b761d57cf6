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

"""What the config drive library raises."""

from __future__ import annotations


class ConfigDriveError(Exception):
    """Base of every error of this package; its text says what to do."""


class ConfigDriveInputError(ConfigDriveError, ValueError):
    """The files, the label or the publisher cannot be put on a drive.

    Raised before anything is written.
    """


class ConfigDriveUnsupportedFormat(ConfigDriveError):
    """A format other than ISO 9660 was asked for."""


class ConfigDriveWriteError(ConfigDriveError):
    """The image could not be written; no partial file is left."""


class ConfigDriveReadError(ConfigDriveError):
    """The image is no ISO 9660 image that can be read, or is damaged."""
