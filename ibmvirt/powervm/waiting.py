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


"""Waiting for another thread without missing that nobody wants it any more."""

from __future__ import annotations

import collections.abc
import contextlib
import threading

from ibmvirt.common import clock, context


@contextlib.contextmanager
def held(lock: threading.Lock) -> collections.abc.Iterator[None]:
    """Hold a lock that another operation may hold for minutes.

    :raises Cancelled: the current operation shall stop; it is not held then.
    """
    while not lock.acquire(timeout=clock.LOOK):
        context.check()
    try:
        yield
    finally:
        lock.release()
