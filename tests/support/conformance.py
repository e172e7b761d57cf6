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

"""What Nova's conformance suites for drivers share, whatever the driver."""

from __future__ import annotations

import contextlib
from unittest import mock

import fixtures

from tests.support import matrix

# Tests of Nova's suite that must see a refusal where the support matrix calls their
# feature missing, and must not where it does not.
FEATURES = {
    "test_get_console_output": "console.serial.log",
    "test_get_serial_console": "console.serial.interactive",
    "test_get_spice_console": "console.spice",
    "test_get_vnc_console": "console.vnc",
    "test_host_power_action_reboot": "operation.maintenance-mode",
    "test_host_power_action_shutdown": "operation.maintenance-mode",
    "test_host_power_action_startup": "operation.maintenance-mode",
    "test_live_migration": "operation.live-migrate",
    "test_live_migration_abort": "operation.abort-in-progress-live-migration",
    "test_live_migration_force_complete": (
        "operation.force-live-migration-to-complete"
    ),
    "test_migrate_disk_and_power_off": "operation.resize",
    "test_pause": "operation.pause",
    "test_rescue": "operation.rescue",
    "test_resume_suspended_instance": "operation.resume",
    "test_resume_unsuspended_instance": "operation.resume",
    "test_set_admin_password": "operation.set-admin-password",
    "test_suspend": "operation.suspend",
    "test_swap_volume": "operation.swap-volume",
    "test_trigger_crash_dump": "operation.trigger-crash-dump",
    "test_unpause_paused_instance": "operation.unpause",
    "test_unpause_unpaused_instance": "operation.unpause",
    "test_unrescue_rescued_instance": "operation.rescue",
    "test_unrescue_unrescued_instance": "operation.rescue",
}
# Of things that the support matrix does not have, and that no user asks for:
# block statistics and disks that migrate are for Nova itself, MKS is VMware's, a
# deleted server may wait switched off, and hosts are not disabled by a driver.
NEITHER = {
    "test_block_stats",
    "test_get_instance_disk_info",
    "test_get_mks_console",
    "test_poll_rebooting_instances",
    "test_restore_running",
    "test_restore_soft_deleted",
    "test_set_host_enabled",
    "test_soft_delete",
}


def unsupported(platform: str) -> set[str]:
    """The tests of what a platform's driver refuses, by the support matrix."""
    missing = matrix.features(platform, "missing")
    found = {name for name, feature in FEATURES.items() if feature in missing}
    # Of its processors z/VM tells no times.
    times = {"test_get_host_cpu_stats"} if platform == matrix.ZVM else set()
    return found | NEITHER | times


@contextlib.contextmanager
def without_policy():
    """Let Nova's test base skip its API's policy: no driver ever asks it.

    Each of the tests would read and register all of its rules, which is a third
    of what they take to begin.
    """
    with mock.patch("nova.tests.fixtures.PolicyFixture", fixtures.Fixture):
        yield
