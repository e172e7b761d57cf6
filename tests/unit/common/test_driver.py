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


"""What Nova asks of an existing server and of the node."""

from __future__ import annotations

import queue
import threading

import pytest
from nova import exception as nova
from nova.compute import power_state, provider_tree, task_states
from nova.compute import utils as compute_utils
from nova.virt import event as nova_event
from nova.virt import fake

from ibmvirt.common import engine, exceptions, render
from tests.support import memory_backend, nova_objects

CONNECTION = {
    "driver_volume_type": "fibre_channel",
    "data": {"volume_id": "vol-1", "target_lun": 1},
    "serial": "vol-1",
}


@pytest.fixture
def server(spawn):
    return spawn()


@pytest.fixture
def guest(world, server):
    return world.guests[server.uuid]


@pytest.fixture
def request_():
    return nova_objects.request()


@pytest.fixture
def least(glance, fast_clock):
    """A driver whose platform has nothing that it need not have."""
    return memory_backend.LeastDriver(fake.FakeVirtAPI())


class TestService:
    def _reporting(self):
        return [t for t in threading.enumerate() if t.name == "lifecycle-events"]

    def test_a_host_that_cannot_start_leaves_no_thread(self, least, monkeypatch):
        def refuse(_listener):
            raise exceptions.HypervisorUnavailable("log on", "nobody answers")

        before = self._reporting()
        monkeypatch.setattr(least.backend.host, "start", refuse)
        with pytest.raises(nova.HypervisorUnavailable):
            least.init_host("host1")
        assert self._reporting() == before

    def test_a_host_that_cannot_stop_leaves_no_thread(self, least, monkeypatch):
        def refuse():
            raise exceptions.HypervisorUnavailable("log off", "nobody answers")

        before = self._reporting()
        least.init_host("host1")
        assert self._reporting() != before
        monkeypatch.setattr(least.backend.host, "stop", refuse)
        with pytest.raises(exceptions.HypervisorUnavailable):
            least.cleanup_host("host1")
        assert self._reporting() == before


class TestEvents:
    @pytest.mark.parametrize("look", ["diagnostics", "console"])
    def test_a_look_at_a_server_hides_no_stop(
        self, driver, server, guest, request_, look
    ):
        heard = queue.Queue()
        driver.register_event_listener(heard.put)
        guest.state = power_state.SHUTDOWN
        driver.reporter.changed(server.uuid, power_state.SHUTDOWN)
        if look == "console":
            driver.get_console_output(request_, server)
        else:
            driver.get_instance_diagnostics(server)
        event = heard.get(timeout=60)
        assert event.get_instance_uuid() == server.uuid
        assert event.get_transition() == nova_event.EVENT_LIFECYCLE_STOPPED


class TestPower:
    def test_off_and_on(self, driver, server, guest, request_):
        driver.power_off(server, timeout=60, retry_interval=10)
        assert guest.state == power_state.SHUTDOWN
        driver.power_on(request_, server, None)
        assert guest.state == power_state.RUNNING

    @pytest.mark.parametrize(("kind", "call"), [("SOFT", "restart"), ("HARD", "reset")])
    def test_reboot(self, driver, server, world, request_, kind, call):
        driver.reboot(request_, server, None, kind)
        assert call in world.calls

    def test_pause(self, driver, server, guest):
        driver.pause(server)
        assert driver.get_info(server).state == power_state.PAUSED
        driver.unpause(server)
        assert guest.state == power_state.RUNNING

    def test_a_running_server_stays_when_the_host_boots(
        self, driver, server, world, request_
    ):
        world.calls.clear()
        driver.resume_state_on_host_boot(request_, server, None, None)
        assert "power_on" not in world.calls
        driver.power_off(server)
        driver.resume_state_on_host_boot(request_, server, None, None)
        assert "power_on" in world.calls

    def test_crash_dump(self, driver, server, world):
        driver.trigger_crash_dump(server)
        assert "crash_dump" in world.calls

    def test_a_server_that_is_gone(self, driver):
        for call in (driver.get_info, driver.power_off, driver.pause):
            with pytest.raises(nova.InstanceNotFound):
                call(nova_objects.instance())

    def test_a_server_without_a_guest_is_rebuilt(self, driver, world):
        """Nova takes InstanceNotFound for a server that is being deleted."""
        server = nova_objects.instance(task_state=task_states.REBUILDING)
        driver.power_off(server)
        assert "power_off" not in world.calls
        server.task_state = task_states.POWERING_OFF
        with pytest.raises(nova.InstanceNotFound):
            driver.power_off(server)

    def test_a_hypervisor_that_does_not_answer(self, driver, server, world):
        error = exceptions.HypervisorUnavailable("ask", "no answer")
        world.faults["state"] = ("before", error)
        with pytest.raises(nova.HypervisorUnavailable, match="no answer"):
            driver.get_info(server)


class TestVolumes:
    def test_attach_extend_detach(self, driver, server, guest, request_):
        driver.attach_volume(request_, CONNECTION, server, "/dev/sdb")
        assert guest.volumes["vol-1"].device == "/dev/sdb"
        driver.extend_volume(request_, CONNECTION, server, 2 << 30)
        assert guest.volumes["vol-1"][1] == 2 << 30
        driver.detach_volume(request_, CONNECTION, server, "/dev/sdb")
        assert not guest.volumes

    def test_a_failed_attach_is_taken_back(
        self, driver, server, guest, world, request_
    ):
        error = exceptions.HypervisorError("map it", "it says no")
        world.faults["attach"] = ("after", error)
        with pytest.raises(exceptions.HypervisorError) as caught:
            driver.attach_volume(request_, CONNECTION, server, "/dev/sdb")
        assert caught.value is error
        assert not guest.volumes

    def test_what_is_wrong_is_refused_before_any_change(
        self, driver, server, world, request_
    ):
        world.calls.clear()
        wrong = {"driver_volume_type": "unknown", "data": {}}
        for info in (wrong, {"data": {}}, None):
            with pytest.raises(exceptions.InvalidRequest):
                driver.attach_volume(request_, info, server, "/dev/sdb")
        with pytest.raises(NotImplementedError, match="encrypted"):
            driver.attach_volume(
                request_, CONNECTION, server, "/dev/sdb", encryption={"x": 1}
            )
        # What was reserved for it is looked for, to be given back.
        assert set(world.calls) <= {"find"}

    def test_detach_from_a_server_that_is_gone(self, driver, request_):
        driver.detach_volume(request_, CONNECTION, nova_objects.instance(), "/dev/sdb")


class TestNetworks:
    def test_attach_and_detach(self, driver, server, guest, request_):
        second = nova_objects.port(2)
        driver.attach_interface(request_, server, None, second)
        assert second["id"] in guest.ports
        driver.detach_interface(request_, server, second)
        assert second["id"] not in guest.ports

    def test_a_failed_attach_is_taken_back(
        self, driver, server, guest, world, request_
    ):
        world.faults["plug"] = ("after", exceptions.HypervisorError("plug", "no"))
        second = nova_objects.port(2)
        with pytest.raises(exceptions.HypervisorError):
            driver.attach_interface(request_, server, None, second)
        assert second["id"] not in guest.ports

    def test_plug_at_service_start(self, driver, server, guest):
        guest.ports.clear()
        driver.plug_vifs(server, nova_objects.ports())
        assert guest.ports
        driver.unplug_vifs(server, nova_objects.ports())
        assert not guest.ports

    def test_plug_of_a_server_that_is_not_there(self, driver):
        driver.plug_vifs(nova_objects.instance(), nova_objects.ports())


class TestImages:
    def test_snapshot(self, driver, server, glance, request_):
        states = []
        driver.snapshot(
            request_, server, "image-1", lambda **s: states.append(s["task_state"])
        )
        metadata, content = glance.uploaded["image-1"]
        assert content.endswith(server.uuid.encode())
        assert metadata["properties"] == {"from": "memory"}
        assert metadata["disk_format"] == "raw"
        assert states == [task_states.IMAGE_PENDING_UPLOAD, task_states.IMAGE_UPLOADING]

    def test_a_failed_upload_releases_the_disk(
        self, driver, server, glance, world, request_
    ):
        glance.error = nova.ImageNotAuthorized(image_id="image-1")
        with pytest.raises(exceptions.ImageTransferFailed, match="image-1"):
            driver.snapshot(request_, server, "image-1", lambda **_s: None)
        assert "release" in world.calls

    def test_the_cache_keeps_what_is_used(self, driver, server, world, request_):
        world.images["old"] = b""
        driver.manage_image_cache(request_, [server])
        assert set(world.images) == {nova_objects.IMAGE_ID}


def test_users_and_nova_are_told_what_failed():
    """Nova shows the text of its own exceptions only, and handles those only."""
    error = exceptions.HypervisorError("map the disk", "it says no", "try again")
    shown = compute_utils.exception_to_dict(error)
    assert shown["message"] == "Could not map the disk: it says no. Try again."
    assert shown["code"] == 500
    wrong = exceptions.InvalidRequest("use the flavor", "it is too small: 100 %")
    assert compute_utils.exception_to_dict(wrong)["code"] == 400
    assert "100 %" in str(wrong)


class TestNode:
    def test_lists(self, driver, server):
        assert driver.list_instances() == [server.name]
        assert driver.list_instance_uuids() == [server.uuid]
        assert driver.get_num_instances() == 1
        assert driver.instance_exists(server)

    def test_the_node_has_one_uuid(self, driver, tmp_path, monkeypatch):
        uuid = "4f8a7e0c-30de-45f5-a9f8-a1ffd1d6a001"
        monkeypatch.setattr("nova.virt.node.get_local_node_uuid", lambda: uuid)
        assert driver.get_nodenames_by_uuid() == {uuid: "memory-1"}
        assert driver.get_available_nodes() == ["memory-1"]
        found = driver.get_available_resource("memory-1")
        assert found["uuid"] == uuid
        assert found["hypervisor_hostname"] == "memory-1"
        assert found["memory_mb"] == 16384

    def test_inventory_and_traits(self, driver):
        tree = provider_tree.ProviderTree()
        tree.new_root("memory-1", "4f8a7e0c-30de-45f5-a9f8-a1ffd1d6a001")
        driver.update_provider_tree(tree, "memory-1")
        data = tree.data("memory-1")
        assert data.inventory["VCPU"]["total"] == 8
        assert data.inventory["MEMORY_MB"]["reserved"] == 1024
        assert data.inventory["DISK_GB"]["total"] == 1000
        assert data.traits == {
            "CUSTOM_IBMVIRT_WEIGHT", "HW_ARCH_PPC64"
        }  # fmt: skip

    def test_only_traits_of_ours_are_removed(self, driver, world):
        tree = provider_tree.ProviderTree()
        tree.new_root("memory-1", "4f8a7e0c-30de-45f5-a9f8-a1ffd1d6a001")
        theirs = {"CUSTOM_GOLD", "COMPUTE_NODE", "CUSTOM_IBMVIRT"}
        tree.update_traits("memory-1", [*theirs, "CUSTOM_IBMVIRT_OLD"])
        driver.update_provider_tree(tree, "memory-1")
        assert "CUSTOM_IBMVIRT_OLD" not in tree.data("memory-1").traits
        world.traits = {"CUSTOM_IBMVIRT_NEW"}
        driver.update_provider_tree(tree, "memory-1")
        assert tree.data("memory-1").traits == {
            *theirs, "CUSTOM_IBMVIRT_NEW", "HW_ARCH_PPC64"
        }  # fmt: skip

    def test_a_sharing_provider_gives_the_disk(self, driver):
        tree = provider_tree.ProviderTree()
        tree.new_root("memory-1", "4f8a7e0c-30de-45f5-a9f8-a1ffd1d6a001")
        tree.new_root("pool", "4f8a7e0c-30de-45f5-a9f8-a1ffd1d6a002")
        tree.update_traits("pool", ["MISC_SHARES_VIA_AGGREGATE"])
        tree.update_inventory("pool", {"DISK_GB": {"total": 5000}})
        for name in ("memory-1", "pool"):
            tree.update_aggregates(name, ["4f8a7e0c-30de-45f5-a9f8-a1ffd1d6a003"])
        driver.update_provider_tree(tree, "memory-1")
        assert "DISK_GB" not in tree.data("memory-1").inventory

    @pytest.mark.parametrize(
        ("name", "call", "seen"),
        [
            ("resources", lambda d: d.get_available_resource("memory-1"),
             nova.HypervisorUnavailable),
            ("uptime", lambda d: d.get_host_uptime(), nova.HypervisorUnavailable),
            ("ip_address", lambda d: d.get_host_ip_addr(), nova.HypervisorUnavailable),
            ("find", lambda d: d.instance_exists(nova_objects.instance()),
             nova.HypervisorUnavailable),
            ("node_name", lambda d: d.get_available_nodes(), nova.VirtDriverNotReady),
            ("list", lambda d: d.get_num_instances(), nova.VirtDriverNotReady),
            ("list", lambda d: d.list_instance_uuids(), nova.VirtDriverNotReady),
        ],
    )  # fmt: skip
    def test_a_node_that_does_not_answer(self, driver, world, name, call, seen):
        error = exceptions.HypervisorUnavailable("ask the node", "no answer")
        world.faults[name] = ("before", error)
        with pytest.raises(seen, match="no answer") as caught:
            call(driver)
        assert caught.value.__cause__ is error

    def test_other_errors_of_the_node_stay_as_they_are(self, driver, world):
        error = exceptions.HypervisorError("read the pool", "it says no")
        world.faults["resources"] = ("before", error)
        with pytest.raises(exceptions.HypervisorError) as caught:
            driver.get_available_resource("memory-1")
        assert caught.value is error

    def test_diagnostics(self, driver, server):
        found = driver.get_instance_diagnostics(server)
        assert found.uptime == 12
        assert (found.num_cpus, found.num_disks, found.num_nics) == (2, 1, 1)
        assert found.nic_details[0].mac_address == "fa:16:3e:00:00:01"
        assert found.memory_details.maximum == 512
        assert driver.get_diagnostics(server)["uptime"] == 12

    def test_console(self, driver, server, request_):
        assert server.name in driver.get_console_output(request_, server)


def test_the_drawings_show_the_flows_that_run(driver, spawn, request_, monkeypatch):
    ran = {}
    # The drawing has the step that only some platforms need.
    monkeypatch.setattr(memory_backend.Guests, "settles", lambda _self, _spec: True)

    def listen(record):
        if record.event == "done":
            ran.setdefault(record.flow, set()).add(record.step)

    engine.add_listener(listen)
    try:
        server = spawn(nova_objects.instance(config_drive="True"))
        driver.attach_volume(request_, CONNECTION, server, "/dev/sdb")
        driver.attach_interface(request_, server, None, nova_objects.port(2))
        driver.destroy(request_, server, nova_objects.ports())
    finally:
        engine.remove_listener(listen)
    drawn = {}
    for flow in render.example().values():
        drawn.setdefault(flow.name, {item.name for item in engine.steps(flow)})
    assert ran == drawn


class TestLeast:
    """What a platform does not have is refused by name."""

    def test_capabilities(self, driver, least):
        for name in (
            "has_imagecache", "supports_attach_interface", "supports_extend_volume",
            "supports_multiattach", "supports_image_type_qcow2",
        ):  # fmt: skip
            assert driver.capabilities[name], name
            assert not least.capabilities[name], name
        assert least.capabilities["supports_image_type_raw"]
        assert "COMPUTE_IMAGE_TYPE_QCOW2" in driver.capabilities_as_traits()

    def test_refusals_name_the_operation(self, least, request_):
        server = nova_objects.instance()
        calls = {
            "pause": lambda: least.pause(server),
            "unpause": lambda: least.unpause(server),
            "crash dump": lambda: least.trigger_crash_dump(server),
            "attach a volume": lambda: least.attach_volume(
                request_, CONNECTION, server, "/dev/sdb"
            ),
            "attach an interface": lambda: least.attach_interface(
                request_, server, None, nova_objects.port()
            ),
            "snapshot": lambda: least.snapshot(
                request_, server, "i", lambda **_s: None
            ),
        }
        for what, call in calls.items():
            with pytest.raises(NotImplementedError, match=what):
                call()
        with pytest.raises(nova.ConsoleNotAvailable):
            least.get_console_output(request_, server)
        with pytest.raises(nova.SetAdminPasswdNotSupported):
            least.set_admin_password(server, "secret")
        # Nova stops a server before its rescue.
        server.task_state = task_states.RESCUING
        with pytest.raises(NotImplementedError, match="rescue the server"):
            least.power_off(server)
        assert not least.world.calls

    def test_what_no_platform_has_yet_is_named(self, driver, server, world, request_):
        world.calls.clear()
        calls = {
            "suspend": lambda: driver.suspend(request_, server),
            "resume": lambda: driver.resume(request_, server, None),
            "rescue": lambda: driver.rescue(
                request_, server, None, None, None, None, None
            ),
            "unrescue": lambda: driver.unrescue(request_, server),
            "resize": lambda: driver.migrate_disk_and_power_off(
                request_, server, "host2", None, None
            ),
            "swap a volume": lambda: driver.swap_volume(
                request_, CONNECTION, CONNECTION, server, "/dev/sdb", 1
            ),
        }
        for what, call in calls.items():
            with pytest.raises(NotImplementedError, match=f"{what}.*{server.uuid}"):
                call()
        assert not world.calls

    def test_a_build_with_a_volume_is_not_tried_elsewhere(self, least, request_):
        from tests.unit.common import test_spawn

        with pytest.raises(nova.BuildAbortException, match="volumes"):
            least.spawn(
                request_, nova_objects.instance(), nova_objects.image_meta(), [], None,
                {}, network_info=None, block_device_info=test_spawn.BOOT_VOLUME,
            )  # fmt: skip
        assert not least.world.calls
