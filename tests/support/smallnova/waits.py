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
"""Waiting for what a Nova does, by asking it again and again."""

from __future__ import annotations

import time

from openstack import exceptions


def until(condition, what, seconds=60):
    """What a condition gives once it holds.

    :raises TimeoutError: it does not hold in time; the text is ``what``.
    """
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def server(nova, wanted, status="ACTIVE", seconds=60):
    """The server, once it has a status and no task is under way.

    openstacksdk's own wait takes the status of the object it is given, which
    may be from before the request.

    :raises ResourceFailure: its status is ERROR.
    """

    def there():
        found = nova.client.compute.get_server(wanted.id)
        if found.status == "ERROR":
            # Nova writes the fault after the state.
            if not found.fault:
                return None
            if status != "ERROR":
                text = found.fault["message"]
                raise exceptions.ResourceFailure(f"server {found.id}: {text}")
        done = found.status == status and found.task_state is None
        return found if done else None

    return until(there, f"the server is {status}", seconds)


def settled(nova, wanted, seconds=60):
    """The server, once no task is under way."""

    def idle():
        found = nova.client.compute.get_server(wanted.id)
        return found if found.task_state is None else None

    return until(idle, "the server's task ends", seconds)


def deleted(nova, wanted, seconds=60):
    def gone():
        found = nova.client.compute.find_server(wanted.id, ignore_missing=True)
        return found is None

    until(gone, "the server is gone", seconds)


def volume(nova, wanted, status):
    def there():
        found = nova.client.block_storage.get_volume(wanted.id)
        return found if found.status == status else None

    return until(there, f"the volume is {status}")


def image(nova, wanted, seconds=60):
    """The image, once its bytes are there."""

    def there():
        found = nova.client.image.find_image(wanted, ignore_missing=True)
        if found is None or found.status in ("deleted", "killed"):
            raise exceptions.ResourceFailure(f"image {wanted} is gone")
        return found if found.status == "active" else None

    return until(there, "the image is active", seconds)
