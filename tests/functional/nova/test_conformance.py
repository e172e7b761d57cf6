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
"""Nova's conformance suite for drivers, on both, without its leniency.

Nova's own wrapper lets NotImplementedError pass; it is taken off. The suite's
assertions are as they are. Its inputs are replaced where the platform has no
such thing; docs/contributor/conformance.rst lists each.
"""

from __future__ import annotations

import itertools
import tempfile
import urllib.parse
import uuid
import warnings

import nova.conf
import pytest
from nova import exception, objects, test
from nova.network import model
from nova.tests.unit import utils as test_utils
from nova.tests.unit.virt import test_virt_drivers

from ibmvirt.common import clock
from ibmvirt.powervm import options as powervm_options
from ibmvirt.simulators.zvm import imagefile
from ibmvirt.zvm import options as zvm_options
from tests.support import conformance, matrix, nova_objects
from tests.support import zvm as zvm_support

CONF = nova.conf.CONF
SUITE = test_virt_drivers._VirtDriverTestCase
LENIENT = test_virt_drivers.catch_notimplementederror(lambda: None).__code__
RAW = bytes(range(256)) * 4096
REFUSALS = (
    NotImplementedError,
    exception.ConsoleNotAvailable,
    exception.ConsoleTypeUnavailable,
    exception.SetAdminPasswdNotSupported,
)
# They want an iSCSI initiator of every host.
CONNECTOR = {"test_get_volume_connector", "test_get_volume_connector_storage_ip"}
TARGETS = ["5005076801000001", "5005076801000002"]
_numbers = itertools.count(1)


def powervm_driver(virtapi):
    from ibmvirt import PowerVMDriver

    return PowerVMDriver(virtapi)


def zvm_driver(virtapi):
    from ibmvirt import ZVMDriver

    return ZVMDriver(virtapi)


class Inputs(SUITE):
    """The suite with the inputs of a platform."""

    REQUIRES_LOCKING = True

    def setUp(self):
        with conformance.without_policy():
            super().setUp()
        # Nova makes this an error in its own tests, with older SQLAlchemy.
        warnings.filterwarnings("ignore", message="The noload")
        self.stub_out(
            "nova.network.security_group_api.get_instance_security_groups",
            lambda *_arguments, **_names: [],
        )
        self.stub_out("nova.tests.unit.utils.get_test_instance", self._instance)
        self.stub_out("nova.tests.unit.utils.get_test_network_info", self._ports)
        for image in self.image_service.images.values():
            image.update(
                disk_format="raw",
                container_format="bare",
                size=len(self.content),
                properties=dict(self.properties),
            )
            self.image_service._imagedata[image["id"]] = self.content
        former = clock.use(clock.SystemClock(scale=0.01))
        self.addCleanup(clock.use, former)
        self.connection.init_host("myhostname")
        self.addCleanup(self.connection.cleanup_host, "myhostname")
        self._replace_arguments()

    def _instance(self, context=None, flavor=None, obj=True):
        """A small server of its own; always an object, as Nova passes it."""
        context = context or test_utils.get_test_admin_context()
        number = next(_numbers)
        small = test_utils.get_test_flavor(
            context,
            {"name": f"small-{number}", "flavorid": f"small-{number}",
             "memory_mb": 512, "vcpus": 1, "root_gb": 1, "ephemeral_gb": 0, "swap": 0},
        )  # fmt: skip
        small = objects.Flavor.get_by_id(context, small.id)
        found = objects.Instance(
            context, user_id="user",
            project_id="project", metadata={},
            # As the API keeps an image's properties.
            system_metadata={f"image_{k}": v for k, v in self.properties.items()},
            hostname="conforming", display_name="conforming", flavor=small,
            instance_type_id=small.id, memory_mb=512, vcpus=1, root_gb=1,
            ephemeral_gb=0, vm_state="building",
            key_name=None, key_data=None, user_data=None, availability_zone="nova",
            root_device_name="/dev/sda", config_drive="", launch_index=0,
        )  # fmt: skip
        found.image_ref = next(iter(self.image_service.images))
        found.create()
        found.trusted_certs = None
        return found

    def _ports(self, count=1):
        found = nova_objects.port(
            id=str(uuid.uuid4()), type=self.vif_type, address=self.mac,
            details={"vlan": "101", "physical_network": "default"},
        )  # fmt: skip
        found["network"]["meta"] = {"physical_network": "default", "mtu": 1450}
        found["network"]["subnets"][0]["meta"] = {}
        return model.NetworkInfo([found])

    def _get_running_instance(self, obj=True):
        return super()._get_running_instance(obj=True)

    def _replace_arguments(self):
        """A volume is one of the simulated storage's, a block device is real."""
        connection = self.connection
        # Of libvirt's driver; a test writes to it before it asks.
        connection.active_migrations = {}
        attach, detach = connection.attach_volume, connection.detach_volume
        power_on, name_for = (
            connection.power_on,
            connection.get_device_name_for_instance,
        )
        volume = {}

        def data(instance):
            if not volume:
                connector = connection.get_volume_connector(instance)
                volume.update(self._connection_info(connector))
            return volume

        def attach_volume(context, _info, instance, mountpoint, **more):
            return attach(self.ctxt, data(instance), instance, mountpoint, **more)

        def detach_volume(context, _info, instance, mountpoint, **more):
            return detach(self.ctxt, data(instance), instance, mountpoint, **more)

        def switch_on(context, instance, network_info, block_device_info=None):
            for mapping in (block_device_info or {}).get("block_device_mapping", ()):
                mapping["connection_info"] = data(instance)
            return power_on(context, instance, network_info, block_device_info)

        connection.attach_volume = attach_volume
        connection.detach_volume = detach_volume
        connection.power_on = switch_on
        connection.get_device_name_for_instance = lambda instance, bdms, _mock: (
            name_for(instance, bdms, nova_objects.bdm(volume_id="volume-1"))
        )

    def _connection_info(self, connector):
        lun = self.simulator.admin(
            "POST",
            "luns",
            {"size": 1024, "lun": 300 + next(_numbers), "targets": TARGETS},
        )
        return {
            "driver_volume_type": "fibre_channel",
            "serial": str(uuid.uuid4()),
            "data": {
                "volume_id": str(uuid.uuid4()),
                "target_wwn": TARGETS,
                "target_lun": lun["lun"],
                "initiator_target_map": {
                    wwpn.replace(":", "").lower(): TARGETS
                    for wwpn in connector["wwpns"]
                },
            },
        }

    def __delattr__(self, name):
        # Nova's cleanup deletes all attributes; pytest then deletes its own.
        if name in self.__dict__:
            super().__delattr__(name)

    # -- instead of what wants an iSCSI initiator ----------------------------

    def _connector(self):
        instance, _network_info = self._get_running_instance()
        return self.connection.get_volume_connector(instance)

    def test_volume_connector_of_an_instance(self):
        found = self._connector()
        assert {"ip", "host", "wwpns"} <= set(found)
        assert found["wwpns"]

    def test_volume_connector_has_the_storage_address(self):
        self.flags(my_block_storage_ip="192.0.2.7", my_ip="192.0.2.1")
        assert self._connector()["ip"] == "192.0.2.7"


class PowerVMConformanceTest(Inputs, test.TestCase):
    driver_module = f"{__name__}.powervm_driver"
    vif_type, mac = "pvm_sea", "fa:16:3e:00:00:01"
    content, properties = RAW, {}

    @pytest.fixture(autouse=True)
    def _simulated(self, novalink):
        self.simulator = novalink

    def setUp(self):
        system = self.simulator.systems[0]
        url = urllib.parse.urlsplit(system["url"])
        powervm_options.register(CONF)
        for name, value in (
            ("novalink_host", url.hostname),
            ("novalink_port", url.port),
            ("novalink_protocol", url.scheme),
            ("novalink_user", system["username"]),
            ("novalink_password", system["password"]),
            ("local_root", system["local_root"]),
            ("vios_wait_timeout", 0),
        ):
            CONF.set_override(name, value, "powervm")
        super().setUp()


class ZVMConformanceTest(Inputs, test.TestCase):
    driver_module = f"{__name__}.zvm_driver"
    vif_type, mac = "zvm", "02:00:00:00:00:01"
    content = imagefile.write(RAW)
    properties = {"os_distro": "rhel", "os_version": "9.4"}

    @pytest.fixture(autouse=True)
    def _simulated(self, zvm):
        zvm_support.fcp_template(zvm)
        self.simulator = zvm

    def setUp(self):
        zvm_options.register(CONF)
        CONF.set_override("cloud_connector_url", self.simulator.connector_url, "zvm")
        home = tempfile.TemporaryDirectory(prefix="conformance-")
        self.addCleanup(home.cleanup)
        CONF.set_override("state_path", home.name)
        # A server's name is its userid, as it was with nova.virt.zvm.
        CONF.set_override("instance_name_template", "TST%05d")
        super().setUp()


def strict(name, unsupported):
    """The suite's test without its wrapper; of what is absent, the refusal."""
    plain = getattr(SUITE, name)
    if plain.__code__ is LENIENT:
        plain = plain.__wrapped__

    def works(self):
        plain(self)

    def is_refused(self):
        self.assertRaises(REFUSALS, plain, self)

    return is_refused if name in unsupported else works


def complete(cls, unsupported):
    """Give a class every test of the suite."""
    for name in dir(SUITE):
        if name.startswith("test_"):
            made = None if name in CONNECTOR else strict(name, unsupported)
            setattr(cls, name, made)


complete(PowerVMConformanceTest, conformance.unsupported(matrix.POWERVM))
complete(ZVMConformanceTest, conformance.unsupported(matrix.ZVM))
