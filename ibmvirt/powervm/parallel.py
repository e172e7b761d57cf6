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


"""The same on several VIOSes at once."""

from __future__ import annotations

import collections.abc
import concurrent.futures
import contextvars

from ibmvirt.powervm.rest import topology


def over_vioses(
    change: collections.abc.Callable[[topology.Vios], None],
    vioses: tuple[topology.Vios, ...],
) -> None:
    """Call for every VIOS at once; the first error, when all have ended."""
    if len(vioses) == 1:
        change(vioses[0])
        return
    with concurrent.futures.ThreadPoolExecutor(len(vioses)) as pool:
        futures = [
            pool.submit(contextvars.copy_context().run, change, vios) for vios in vioses
        ]
    for future in futures:
        future.result()
