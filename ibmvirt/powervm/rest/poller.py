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

"""Following the platform's events in a thread of our own."""

from __future__ import annotations

import collections.abc
import hashlib
import logging
import threading
import typing
import uuid as uuids

from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import event as event_wrapper

from ibmvirt.common import context

LOG = logging.getLogger(__name__)

# Seconds between tries while the platform does not answer.
_AGAIN = 5.0
# Seconds that a poll may take; the platform answers after about ten.
_POLL_TIMEOUT = 60.0

Handler = collections.abc.Callable[[str, str, str], None]


class Poller:
    """Reads events until it is stopped.

    :param handler: gets kind, data and detail of each event.
    :param restarted: called when events may have been lost: at the start,
        after a restart of the platform, when it says MISSING_EVENTS, and when it
        answers again; and again, if that fails.
    :param away: called when the platform does not answer any more.
    """

    def __init__(
        self,
        adapter: typing.Any,
        handler: Handler,
        restarted: collections.abc.Callable[[], None],
        away: collections.abc.Callable[[], None],
    ) -> None:
        self._adapter = adapter
        self._handler = handler
        self._restarted = restarted
        self._away = away
        self._stop = threading.Event()
        self._ready = threading.Event()
        # Whether events may have been lost of which nothing was read yet.
        self._lost = False
        self._application = hashlib.sha256(uuids.uuid4().bytes).hexdigest()[:32]
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self, timeout: float = 30.0) -> None:
        """Start, and wait until the platform knows this client."""
        self._thread.start()
        self._ready.wait(timeout)

    def stop(self, timeout: float = 15.0) -> None:
        """Stop and join; an event of our own ends the poll that is under way."""
        self._stop.set()
        try:
            event_wrapper.Event.bld(self._adapter, "ibmvirt", "stop").create()
        except pypowervm.Error as error:
            LOG.debug("NovaLink is away; the poll ends by itself: %s", error)
        self._thread.join(timeout)

    def _run(self) -> None:
        answers = True
        with context.background("events"):
            while not self._stop.is_set():
                try:
                    self._poll()
                    answers = True
                except Exception as error:
                    if self._stop.is_set():
                        return
                    # Events of an answer that did not come are told once.
                    self._lost = True
                    if answers:
                        LOG.warning("NovaLink's events stopped: %s", error)
                        answers = False
                        self._away()
                    self._stop.wait(_AGAIN)

    def _poll(self) -> None:
        path = (
            "/rest/api/uom/Event?QUEUE_CLIENTKEY_METHOD=USE_APPLICATIONID"
            f"&QUEUE_APPLICATIONID={self._application}&group=None"
        )
        response = self._adapter.read_by_path(path, timeout=_POLL_TIMEOUT)
        if self._lost:
            self._restarted()
            self._lost = False
        for event in event_wrapper.Event.wrap(response):
            if self._stop.is_set():
                return
            self._one(event)

    def _one(self, event: typing.Any) -> None:
        kind = event.etype
        if kind in ("NEW_CLIENT", "MISSING_EVENTS", "CACHE_CLEARED"):
            self._restarted()
            self._ready.set()
            return
        try:
            self._handler(kind, event.data or "", event.detail or "")
        except pypowervm.Error as error:
            LOG.warning("the event %s %s was not taken in: %s", kind, event.data, error)
            self._restarted()
        except Exception:
            LOG.exception("the event %s %s was not taken in", kind, event.data)
            self._restarted()
