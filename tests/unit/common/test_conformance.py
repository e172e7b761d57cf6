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


"""Nova's own conformance suite on the base driver, without its leniency.

Nova wraps each test so that NotImplementedError passes. Here a test passes
only if the operation works, or if it is named as unsupported and says so.
"""

from __future__ import annotations

import warnings

from nova import exception, test
from nova.tests.unit import utils as test_utils
from nova.tests.unit.virt import test_virt_drivers

from tests.support import conformance, nova_objects

SUITE = test_virt_drivers._VirtDriverTestCase
LENIENT = test_virt_drivers.catch_notimplementederror(lambda: None).__code__
UNSUPPORTED = {
    "test_block_stats", "test_get_instance_disk_info", "test_get_mks_console",
    "test_get_serial_console", "test_get_spice_console", "test_get_vnc_console",
    "test_host_power_action_reboot", "test_host_power_action_shutdown",
    "test_host_power_action_startup", "test_live_migration",
    "test_live_migration_abort", "test_migrate_disk_and_power_off",
    "test_poll_rebooting_instances", "test_rescue", "test_restore_running",
    "test_restore_soft_deleted", "test_resume_suspended_instance",
    "test_resume_unsuspended_instance", "test_set_admin_password",
    "test_set_host_enabled", "test_soft_delete", "test_suspend", "test_swap_volume",
    "test_unrescue_rescued_instance", "test_unrescue_unrescued_instance",
}  # fmt: skip
# How a driver says that it does not have something.
REFUSALS = (
    NotImplementedError,
    exception.ConsoleTypeUnavailable,
    exception.SetAdminPasswdNotSupported,
)
# They touch what only libvirt's driver has, or pass what Nova never passes.
NOT_FOR_US = {
    "test_live_migration_force_complete",
    "test_get_volume_connector",
    "test_get_volume_connector_storage_ip",
    "test_snapshot_not_running",
    # A mock stands for the block device; see test_devices.
    "test_get_device_name_for_instance",
}


def strict(name):
    plain = getattr(SUITE, name)
    if plain.__code__ is LENIENT:
        plain = plain.__wrapped__

    def works(self):
        plain(self)

    def is_refused(self):
        self.assertRaises(REFUSALS, plain, self)

    return is_refused if name in UNSUPPORTED else works


class ConformanceTest(SUITE, test.TestCase):
    REQUIRES_LOCKING = True
    driver_module = "tests.support.memory_backend.MemoryDriver"

    def setUp(self):
        with conformance.without_policy():
            super().setUp()
        # Nova makes this an error in its own tests, with older SQLAlchemy.
        warnings.filterwarnings("ignore", message="The noload")
        self.stub_out(
            "nova.network.security_group_api.get_instance_security_groups",
            lambda *_arguments, **_names: [],
        )
        for image in self.image_service.images.values():
            image.update(disk_format="raw", container_format="bare", size=65536)
            self.image_service._imagedata[image["id"]] = bytes(65536)
        self.connection.init_host("myhostname")
        self.addCleanup(self.connection.cleanup_host, "myhostname")

    def __delattr__(self, name):
        # Nova's cleanup deletes all attributes; pytest then deletes its own.
        if name in self.__dict__:
            super().__delattr__(name)

    def test_volume_connector_of_an_instance(self):
        instance, _network_info = self._get_running_instance()
        connector = self.connection.get_volume_connector(instance)
        assert {"ip", "host", "initiator"} <= set(connector)

    def test_snapshot_of_a_server_that_is_gone(self):
        instance = test_utils.get_test_instance(obj=True)
        self.assertRaises(
            exception.InstanceNotRunning,
            self.connection.snapshot,
            self.ctxt, instance, nova_objects.IMAGE_ID, lambda **_states: None,
        )  # fmt: skip


for _name in dir(SUITE):
    if _name.startswith("test_"):
        if _name in NOT_FOR_US:
            setattr(ConformanceTest, _name, None)
        else:
            setattr(ConformanceTest, _name, strict(_name))
