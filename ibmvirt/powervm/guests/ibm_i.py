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


"""IBM i partitions: load source, console, keylock and the side to load from."""

from __future__ import annotations

import typing

from pypowervm.wrappers import base_partition, logical_partition

from ibmvirt.common import plan
from ibmvirt.powervm import writer

# The console of the management server, which NovaLink gives.
_CONSOLE = "HMC"


def settle(adapter: typing.Any, guest: plan.GuestRef, slots: list[int]) -> None:
    """Let a partition load from the adapters in these slots.

    :param slots: the first is the load source, the second the alternate one;
        with one path it is both.
    """
    load, other = slots[0], slots[1] if len(slots) > 1 else slots[0]

    def change(lpar: typing.Any) -> bool:
        tagged = lpar.io_config.tagged_io
        if (
            tagged is not None
            and (tagged.load_src, tagged.alt_load_src) == (str(load), str(other))
            and lpar.desig_ipl_src == logical_partition.IPLSrc.B
        ):
            # Made by an earlier try, whose answer was lost.
            return False
        lpar.io_config.tagged_io = base_partition.TaggedIO.bld(
            adapter, load_src=str(load), console=_CONSOLE, alt_load_src=str(other)
        )
        lpar.desig_ipl_src = logical_partition.IPLSrc.B
        lpar.keylock_pos = base_partition.KeylockPos.NORMAL
        return True

    def read() -> typing.Any:
        return logical_partition.LPAR.get(adapter, uuid=guest.id)

    writer.Writer(f"the partition {guest.name}", read, keep=False).apply(
        change, f"set the load source to slot {load}, the alternate one to {other}"
    )
