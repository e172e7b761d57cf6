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

"""All writes to a shared object: one writer each, which coalesces.

A POST of a VIOS's mappings is slow and carries all of them, and two at once
end in a 412. So changes that arrive while one is under way wait and are then
made together, in one GET and one POST. What the last POST answered may be
kept: while nobody else writes, the next change needs no GET. The same goes for
a volume group.
"""

from __future__ import annotations

import collections.abc
import concurrent.futures
import dataclasses
import logging
import random
import threading
import typing

from pypowervm import const
from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import storage as storage_wrapper
from pypowervm.wrappers import virtual_io_server

from ibmvirt.common import clock, context, exceptions
from ibmvirt.powervm.rest import errors, topology

LOG = logging.getLogger(__name__)

# Changes the wrapper; True if it did. It is called again on a fresh wrapper
# when the former one was stale, so it first looks whether all is done.
Change = collections.abc.Callable[[typing.Any], bool]
Result = collections.abc.Callable[[typing.Any], typing.Any]

# Others write as well: give way a little longer with each try.
_TRIES = 12
# Answers that are waited for in vain, each as long as a request may take.
_SILENT_TRIES = 2
_PATIENT_TRIES = 3
_MEMENTOS = 4


@dataclasses.dataclass(eq=False)
class _Item:
    change: Change
    what: str
    memento: str
    result: Result
    future: concurrent.futures.Future[typing.Any]

    def done(self, wrapper: typing.Any) -> None:
        """Made: ``wrapper`` is the object as it is now."""
        try:
            self.future.set_result(self.result(wrapper))
        except Exception as error:
            self.future.set_exception(error)


class Writer:
    """Writes one object, or one group of it.

    The thread that comes first does the work for those that come meanwhile;
    there is no thread of its own to start or join.

    :param name: for errors: "vios1".
    :param get: reads the wrapper.
    :param keep: use the answer of the last POST for the next change. Without,
        a POST may take an hour: the VIOS copies disks in it.
    """

    def __init__(
        self,
        name: str,
        get: collections.abc.Callable[[], typing.Any],
        *,
        keep: bool = True,
    ) -> None:
        self._name = name
        self._get = get
        self._keep = keep
        self._condition = threading.Condition()
        self._waiting: list[_Item] = []
        self._busy = False
        self._wrapper: typing.Any = None
        # Somebody else has changed it since it was read.
        self._outdated = False

    def apply(
        self, change: Change, what: str, result: Result = lambda _wrapper: None
    ) -> typing.Any:
        """Make a change, together with others that are asked for meanwhile.

        :param what: for errors: "map the disk boot_a".
        :param result: gets the object as it is after the change, which it
            must not change; what it returns is returned.
        :raises HypervisorError: the platform refused it, for this change.
        """
        item = _Item(
            change,
            what,
            context.current_memento(),
            result,
            concurrent.futures.Future(),
        )
        with self._condition:
            self._waiting.append(item)
            while self._busy and not item.future.done():
                self._condition.wait()
            if item.future.done():
                batch: list[_Item] = []
            else:
                self._busy = True
                batch, self._waiting = self._waiting, []
        if batch:
            self._write(batch)
        return item.future.result()

    def look(
        self, look: collections.abc.Callable[[typing.Any], None], what: str
    ) -> None:
        """Show the wrapper as the last POST left it; no call if it is kept."""

        def change(wrapper: typing.Any) -> bool:
            look(wrapper)
            return False

        self.apply(change, what)

    def read(self) -> typing.Any:
        """The wrapper as it is now; it must not be changed."""
        with errors.attempting(f"read {self._name}"):
            return self._get()

    def forget(self) -> None:
        """Somebody else changed the VIOS: read it before the next change."""
        with self._condition:
            self._outdated = True

    # -- the one who writes ---------------------------------------------------

    def _write(self, batch: list[_Item]) -> None:
        try:
            self._write_together(batch)
        except BaseException as error:
            for item in batch:
                if not item.future.done():
                    item.future.set_exception(error)
        finally:
            with self._condition:
                self._busy = False
                self._condition.notify_all()

    def _write_together(self, batch: list[_Item]) -> None:
        mementos = list(dict.fromkeys(item.memento for item in batch))
        work = context.current()
        if len(mementos) > 1 or work is None:
            shown = ",".join(mementos[:_MEMENTOS])
            name, _, target = shown.partition(":")
            work = context.Operation(name, target)
        with context.operation(work), context.reverting():
            try:
                wrapper = self._post(batch)
            except exceptions.HypervisorUnavailable:
                # It would not answer each of them either.
                raise
            except Exception:
                if len(batch) == 1:
                    raise
                # One bad change must fail alone.
                LOG.warning("%s refused %d changes at once", self._name, len(batch))
                for item in batch:
                    self._write_alone(item)
                return
            for item in batch:
                item.done(wrapper)

    def _write_alone(self, item: _Item) -> None:
        try:
            wrapper = self._post([item])
        except Exception as error:
            item.future.set_exception(error)
        else:
            item.done(wrapper)

    def _post(self, batch: list[_Item]) -> typing.Any:
        what = "; ".join(item.what for item in batch[:_MEMENTOS])
        where = f"{what} on {self._name}"
        silent = 0
        for number in range(1, _TRIES + 1):
            if number > _PATIENT_TRIES:
                clock.sleep(random.uniform(0, 0.1 * number))
            with errors.attempting(where):
                try:
                    return self._once(batch)
                except pypowervm.HttpError as error:
                    if not _worth_another(error):
                        raise
                    last = error
                except pypowervm.ConnectionError as error:
                    # The answer is lost: the changes see whether they are made.
                    if number == _TRIES:
                        raise
                    last = error
                except pypowervm.TimeoutError as error:
                    silent += 1
                    if silent == _SILENT_TRIES:
                        raise
                    last = error
        raise exceptions.HypervisorError(
            where,
            f"{_TRIES} tries failed, the last with: {errors.message(last)}",
            "look for others that write it at the same time, and for what keeps "
            "the VIOS busy",
        )

    def _once(self, batch: list[_Item]) -> typing.Any:
        """Make the changes in what is kept, or read, and write it."""
        with self._condition:
            kept = None if self._outdated else self._wrapper
            self._wrapper, self._outdated = None, False
        wrapper = kept or self._get()
        changed = [item.change(wrapper) for item in batch]
        if any(changed):
            # The library waits for an hour at least, if it is not told.
            limit = wrapper.adapter.session.timeout if self._keep else -1
            wrapper = wrapper.update(timeout=limit)
        self._wrapper = wrapper if self._keep else None
        return wrapper


def _worth_another(error: pypowervm.HttpError) -> bool:
    status = errors.status_of(error)
    return status == const.HTTPStatus.ETAG_MISMATCH or status == 503


class Writers:
    """The writers of all VIOSes and of their volume groups."""

    def __init__(self, adapter: typing.Any) -> None:
        self._adapter = adapter
        self._lock = threading.Lock()
        self._writers: dict[tuple[str, str], Writer] = {}
        self._groups: dict[str, Writer] = {}

    def of(self, uuid: str, name: str, group: str) -> Writer:
        with self._lock:
            found = self._writers.get((uuid, group))
            if found is None:
                found = Writer(
                    name,
                    lambda: virtual_io_server.VIOS.get(
                        self._adapter, uuid=uuid, xag=[group]
                    ),
                )
                self._writers[uuid, group] = found
            return found

    def of_group(self, group: topology.Group) -> Writer:
        """The writer of a volume group: its disks and its media repository."""
        with self._lock:
            found = self._groups.get(group.uuid)
            if found is None:
                # Not kept: every upload of a medium changes the group.
                found = Writer(
                    f"the volume group {group.name} of {group.vios.name}",
                    lambda: storage_wrapper.VG.get(
                        self._adapter,
                        uuid=group.uuid,
                        parent_type=virtual_io_server.VIOS,
                        parent_uuid=group.vios.uuid,
                    ),
                    keep=False,
                )
                self._groups[group.uuid] = found
            return found

    def forget(self, uuid: str | None = None) -> None:
        """Somebody else changed a VIOS (None: any of them)."""
        with self._lock:
            writers = [
                writer
                for (vios, _group), writer in self._writers.items()
                if uuid in (None, vios)
            ]
        for writer in writers:
            writer.forget()
