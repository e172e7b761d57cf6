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

"""Waiting until Neutron reports the ports of a server as plugged."""

from __future__ import annotations

import collections.abc
import logging
import threading
import typing

import nova.conf
from nova import exception as nova_exception
from nova import objects

from ibmvirt.common import context, exceptions, plan

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

# Seconds between two looks whether to stop waiting.
_LOOK = 1.0


def plug_and_wait(
    virtapi: typing.Any,
    instance: typing.Any,
    vifs: tuple[plan.Vif, ...],
    plug: collections.abc.Callable[[], None],
) -> None:
    """Plug, then wait for ``network-vif-plugged`` of the ports not active yet.

    Obeys ``[DEFAULT] vif_plugging_timeout`` (s; 0 = do not wait) and
    ``vif_plugging_is_fatal``.

    :raises NetworkNotPlugged: a port failed or was not reported in time, and
        that is fatal.
    :raises Cancelled: the operation shall stop; the wait ends at once.
    """
    timeout = CONF.vif_plugging_timeout
    fatal = CONF.vif_plugging_is_fatal
    events = [("network-vif-plugged", vif.id) for vif in vifs if not vif.active]
    if not events or not timeout:
        plug()
        return

    def failed(event_name: str, _instance: typing.Any) -> None:
        LOG.error("Neutron reports %s as failed", event_name)
        if fatal:
            raise nova_exception.VirtualInterfaceCreateException()

    attempted = "plug the ports " + ", ".join(port for _name, port in events)
    done = threading.Event()
    watcher = _watch(virtapi, instance, events, done)
    try:
        with virtapi.wait_for_instance_event(
            instance, events, timeout=timeout, error_callback=failed
        ):
            plug()
            context.check()
        context.check()
    except nova_exception.VirtualInterfaceCreateException as error:
        context.check()
        raise exceptions.NetworkNotPlugged(
            attempted,
            "Neutron reported a failure, or a port was deleted",
            "look at the agent's log on this host",
        ) from error
    except nova_exception.InstanceEventTimeout as error:
        context.check()
        if fatal:
            raise exceptions.NetworkNotPlugged(
                attempted,
                f"Neutron did not report them within {timeout} s",
                "look whether the agent of this host is alive, or set "
                "vif_plugging_is_fatal to False",
            ) from error
        LOG.warning("%s were not reported in %s s; going on", attempted, timeout)
    finally:
        done.set()
        watcher.join()


def _watch(
    virtapi: typing.Any,
    instance: typing.Any,
    events: list[tuple[str, str]],
    done: threading.Event,
) -> threading.Thread:
    """End the wait early when the operation shall stop."""
    work = context.current()

    def look() -> None:
        while not done.wait(_LOOK):
            if work is not None and work.stopped():
                _cancel(virtapi, instance, events)
                return

    thread = threading.Thread(target=look, name="vif-wait", daemon=True)
    thread.start()
    return thread


def deleted(virtapi: typing.Any, instance: typing.Any, port: str) -> None:
    """End the waiting for a port that is being detached: it never comes.

    Nova detaches a port of a build too, when Neutron tells that it was deleted.
    """
    _cancel(virtapi, instance, [("network-vif-plugged", port)])


def _cancel(
    virtapi: typing.Any, instance: typing.Any, events: list[tuple[str, str]]
) -> None:
    """Wake the thread that waits for these, if there is one.

    ``virtapi.exit_wait_early`` works in the waiting thread only. So this does
    what Nova does itself when it shuts down
    (``InstanceEvents.cancel_all_events``): each event ends as failed.
    """
    manager = getattr(virtapi, "_compute", None)
    if manager is None:
        return
    for name, tag in events:
        event = objects.InstanceExternalEvent(
            instance_uuid=instance.uuid, name=name, status="failed", tag=tag, data={}
        )
        waiting = manager.instance_events.pop_instance_event(instance, event)
        if waiting is not None:
            waiting.set(event)
