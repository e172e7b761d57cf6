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


"""What the config drive library raises; every error is a ConfigDriveError."""

from __future__ import annotations


class ConfigDriveError(Exception):
    """Base of all errors of this package.

    :ivar attempt: what was attempted, for example ``"add a file"``.
    :ivar target: what it was attempted on, for example a path.
    :ivar reason: why it failed.
    :ivar hint: what the caller can do about it; may be empty.
    """

    def __init__(self, attempt: str, target: str, reason: str, hint: str = "") -> None:
        super().__init__(attempt, target, reason, hint)
        self.attempt = attempt
        self.target = target
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        text = f"Cannot {self.attempt} {self.target}: {self.reason}"
        return f"{text}. {self.hint}" if self.hint else text


class ConfigDriveInputError(ConfigDriveError, ValueError):
    """What was given to build a drive cannot be held by one.

    Raised before anything is written.
    """


class ConfigDriveWriteError(ConfigDriveError):
    """The image, or the files extracted from one, could not be written.

    ``__cause__`` is the :class:`OSError`. Nothing is left behind.
    """


class ConfigDriveReadError(ConfigDriveError):
    """An image is damaged, truncated or contradicts itself."""


class ConfigDriveUnsafeName(ConfigDriveReadError):
    """An image holds names that must not become files of this machine."""


class ConfigDriveUnsupportedFormat(ConfigDriveError):
    """The format asked for, or found, is not ISO 9660."""
