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

"""Names of block devices, as Nova keeps and shows them.

They are labels: which name a disk really gets is the guest's own affair. But
the API shows them, and names of another platform's devices would mislead.
"""

from __future__ import annotations

import collections.abc
import itertools
import re
import string
import typing

from nova import exception as nova
from nova.compute import utils as compute_utils

_DEVICE = re.compile(r"(?:/dev/)?(?:x?[vsh]d|dasd)([a-z]{1,2})[0-9]*")


class Names:
    """How a platform's guests name their disks.

    :param local: what the names of disks that Nova makes begin with: /dev/sd.
    :param volume: the same for volumes.
    """

    def __init__(self, local: str, volume: str) -> None:
        self._local = local
        self._volume = volume

    def root(self, bdm: typing.Any) -> str:
        """The name of the first disk of a kind."""
        return self._prefix(bdm) + "a"

    def fill(self, bdms: collections.abc.Sequence[typing.Any]) -> list[typing.Any]:
        """Name those of a new server's devices that have no name yet.

        :return: the ones that were named.
        :raises nova.exception.TooManyDiskDevices: see :meth:`next`.
        """
        nameless = [bdm for bdm in bdms if not bdm.device_name]
        for bdm in nameless:
            bdm.device_name = self.next(bdm, bdms)
        return nameless

    def next(self, bdm: typing.Any, others: typing.Iterable[typing.Any]) -> str:
        """The name of a further device.

        Of the name that the user asks for, the letter is kept.

        :raises nova.exception.InvalidDevicePath: that name is none of a disk.
        :raises nova.exception.DevicePathInUse: another device has that letter.
        :raises nova.exception.TooManyDiskDevices: the server has as many as
            [compute] max_disk_devices_to_attach allows.
        """
        named = [other for other in others if other.device_name and other is not bdm]
        compute_utils.check_max_disk_devices_to_attach(len(named) + 1)
        prefix = self._prefix(bdm)
        # An older driver may have named them in another way.
        used = {letters(o.device_name) for o in named if self._prefix(o) == prefix}
        if not bdm.device_name:
            return prefix + next(free for free in _letters() if free not in used)
        asked = letters(bdm.device_name)
        if asked is None:
            raise nova.InvalidDevicePath(path=bdm.device_name)
        if asked in used:
            raise nova.DevicePathInUse(path=bdm.device_name)
        return prefix + asked

    def _prefix(self, bdm: typing.Any) -> str:
        return self._volume if bdm.is_volume else self._local


def letters(name: str) -> str | None:
    """The letters of a disk's name, whatever platform it is of; sdb -> b."""
    found = _DEVICE.fullmatch(name)
    return found[1] if found else None


def _letters() -> collections.abc.Iterator[str]:
    for length in itertools.count(1):
        for found in itertools.product(string.ascii_lowercase, repeat=length):
            yield "".join(found)
