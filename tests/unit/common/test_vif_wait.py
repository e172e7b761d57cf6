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


"""Waiting for ports, with the events of Nova's real compute manager."""

from __future__ import annotations

import threading
import types

import pytest
from nova import exception as nova
from nova import objects
from nova.compute import manager

from ibmvirt.common import context, exceptions, planning, vif_wait
from tests.support import nova_objects


@pytest.fixture
def instance():
    return nova_objects.instance()


@pytest.fixture
def events(configuration):
    return manager.InstanceEvents()


@pytest.fixture
def virtapi(events):
    compute = types.SimpleNamespace(instance_events=events, reportclient=None)
    return manager.ComputeVirtAPI(compute)


@pytest.fixture
def options(configuration):
    """Set Nova's options; undone afterwards."""
    changed = []

    def change(**values):
        for name, value in values.items():
            changed.append(name)
            vif_wait.CONF.set_override(name, value)

    yield change
    for name in changed:
        vif_wait.CONF.clear_override(name)


def vifs(*numbers, **values):
    return planning.vifs([nova_objects.port(number, **values) for number in numbers])


@pytest.fixture
def report(events, instance):
    """What Neutron says of a port, as the manager hands it on."""

    def send(vif, status="completed"):
        event = objects.InstanceExternalEvent(
            instance_uuid=instance.uuid, name="network-vif-plugged", status=status,
            tag=vif.id, data={},
        )  # fmt: skip
        waiting = events.pop_instance_event(instance, event)
        assert waiting is not None, "nobody waits for it"
        waiting.set(event)

    return send


def test_all_ports_are_waited_for(virtapi, instance, report):
    both = vifs(1, 2)
    plugged = threading.Event()
    done = threading.Event()

    def run():
        vif_wait.plug_and_wait(virtapi, instance, both, plugged.set)
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert plugged.wait(60)
    report(both[0])
    assert not done.is_set()
    report(both[1])
    thread.join(60)
    assert done.is_set()


def test_an_event_during_plugging_is_not_lost(virtapi, instance, report):
    (port,) = vifs(1)
    vif_wait.plug_and_wait(virtapi, instance, (port,), lambda: report(port))


def test_active_ports_are_not_waited_for(virtapi, instance):
    plugged = []
    vif_wait.plug_and_wait(
        virtapi, instance, vifs(1, active=True), lambda: plugged.append(1)
    )
    assert plugged


def test_no_wait_without_a_timeout(virtapi, instance, options):
    options(vif_plugging_timeout=0)
    plugged = []
    vif_wait.plug_and_wait(virtapi, instance, vifs(1), lambda: plugged.append(1))
    assert plugged


def test_a_failed_port_is_fatal(virtapi, instance, report):
    (port,) = vifs(1)
    with pytest.raises(exceptions.NetworkNotPlugged, match=port.id):
        vif_wait.plug_and_wait(
            virtapi, instance, (port,), lambda: report(port, "failed")
        )


def test_a_failed_port_is_not_fatal_when_the_operator_says_so(
    virtapi, instance, report, options
):
    options(vif_plugging_is_fatal=False)
    (port,) = vifs(1)
    vif_wait.plug_and_wait(virtapi, instance, (port,), lambda: report(port, "failed"))


def test_a_port_that_is_never_reported(virtapi, instance, options, monkeypatch):
    def ends(*_arguments, **_names):
        raise nova.InstanceEventTimeout

    monkeypatch.setattr(virtapi, "_wait_for_instance_events", ends)
    with pytest.raises(exceptions.NetworkNotPlugged, match="within 300 s"):
        vif_wait.plug_and_wait(virtapi, instance, vifs(1), lambda: None)
    options(vif_plugging_is_fatal=False)
    vif_wait.plug_and_wait(virtapi, instance, vifs(1), lambda: None)


@pytest.mark.parametrize("fatal", [True, False])
def test_a_delete_ends_the_wait(virtapi, instance, options, monkeypatch, fatal):
    options(vif_plugging_is_fatal=fatal)
    monkeypatch.setattr(vif_wait, "_LOOK", 0.01)
    work = context.Operation("spawn", instance.uuid)
    with context.operation(work), pytest.raises(exceptions.Cancelled):
        vif_wait.plug_and_wait(
            virtapi, instance, vifs(1, 2),
            lambda: threading.Timer(0.05, work.stop, ["deleted"]).start(),
        )  # fmt: skip


def test_a_port_that_is_deleted_meanwhile(virtapi, instance, report, options):
    """Neutron tells Nova, and Nova detaches it while the build still waits."""
    gone, other = vifs(1, 2)

    def plug():
        report(other)
        vif_wait.deleted(virtapi, instance, gone.id)

    with pytest.raises(exceptions.NetworkNotPlugged, match="a port was deleted"):
        vif_wait.plug_and_wait(virtapi, instance, (gone, other), plug)
    options(vif_plugging_is_fatal=False)
    vif_wait.plug_and_wait(virtapi, instance, (gone, other), plug)


def test_nobody_waits_for_a_port_that_is_deleted(virtapi, instance):
    vif_wait.deleted(virtapi, instance, "port-1")


def test_a_failed_plugging_does_not_wait(virtapi, instance):
    def plug():
        raise exceptions.HypervisorError("plug", "no slot")

    with pytest.raises(exceptions.HypervisorError, match="no slot"):
        vif_wait.plug_and_wait(virtapi, instance, vifs(1), plug)


def test_nova_that_stops_is_an_error(virtapi, instance, events):
    events.cancel_all_events()
    with pytest.raises(exceptions.NetworkNotPlugged):
        vif_wait.plug_and_wait(virtapi, instance, vifs(1), lambda: None)
