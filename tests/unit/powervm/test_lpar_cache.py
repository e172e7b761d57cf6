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


"""What is told of partitions while several threads change it."""

from __future__ import annotations

import dataclasses
import threading

from ibmvirt.powervm import lpar_cache

PARTITION = lpar_cache.Lpar("A", "a", 3, "AIX/Linux", "not activated", "none")


def test_the_last_state_that_is_told_is_the_last_that_is_known():
    cache = lpar_cache.LparCache(None)
    cache.put(PARTITION)
    told, overtaken = [], threading.Event()
    stopped = dataclasses.replace(PARTITION, state="error")

    def overtake():
        cache.put(stopped)

    faster = threading.Thread(target=overtake)

    def listen(lpar):
        if not overtaken.is_set():
            overtaken.set()
            faster.start()
            # It is known, whether it has been told or not.
            while cache._lpars["A"] != stopped:
                faster.join(0.01)
            faster.join(0.2)
        told.append(lpar.state)

    cache.listen(listen)
    cache.put(dataclasses.replace(PARTITION, state="running"))
    faster.join(60)
    assert told[-1] == "error"
