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

"""What the drivers do not support, as somebody asks for it through the API.

Each of these names the features of docs/user/support-matrix.ini that it asks for;
tests/unit/test_support_matrix.py holds that each one that is missing is here, or in
UNASKED with the reason why it is not.
"""

from __future__ import annotations

import dataclasses
import typing

from tests.support.matrix import POWERVM, ZVM

BOTH = (POWERVM, ZVM)
NOT_OURS = "does not support it"


@dataclasses.dataclass(frozen=True)
class Operation:
    """A request about a server that runs, or about its host.

    :ivar features: of the support matrix.
    :ivar status: of the answer; 202 means that the action must fail.
    :ivar action: the instance action that must end in error, if any.
    :ivar told: is in the answer, or in an event of the action.
    :ivar path: ``{server}`` is its id; ``{larger}`` in the body that of a flavor.
    """

    name: str
    features: tuple[str, ...]
    body: typing.Mapping[str, typing.Any] | None
    status: int
    told: str
    action: str = ""
    path: str = "/servers/{server}/action"
    verb: str = "POST"
    version: str = "2.90"
    platforms: tuple[str, ...] = BOTH


def _console(feature, protocol, kind, told="console type"):
    return Operation(
        f"{protocol} console", (feature,) if feature else (),
        {"remote_console": {"protocol": protocol, "type": kind}}, 400, told,
        path="/servers/{server}/remote-consoles",
    )  # fmt: skip


def _host(name, body, path, verb):
    """Of Nova's API of hosts, which has no server and says 501 itself."""
    return Operation(
        name, ("operation.maintenance-mode",), body, 501, "not supported",
        path=f"/os-hosts/small{path}", verb=verb, version="2.42",
    )  # fmt: skip


OPERATIONS = [
    Operation("suspend", ("operation.suspend",), {"suspend": None}, 202, NOT_OURS,
              "suspend"),
    Operation("resume", ("operation.resume",), {"resume": None}, 409, "resume"),
    Operation("resize", ("operation.resize",), {"resize": {"flavorRef": "{larger}"}},
              202, NOT_OURS, "resize"),
    Operation("migrate", ("operation.resize",), {"migrate": None}, 202,
              "No valid host found for cold migrate", "migrate"),
    Operation("migrate to a host", ("operation.resize",),
              {"migrate": {"host": "small"}}, 400, "migrate"),
    Operation("live migration", ("operation.live-migrate",),
              {"os-migrateLive": {"host": None, "block_migration": "auto"}}, 202,
              "No valid host", "live-migration"),
    Operation("forced end of a live migration",
              ("operation.force-live-migration-to-complete",),
              {"force_complete": None}, 409, "force_complete",
              path="/servers/{server}/migrations/9999/action"),
    Operation("end of a live migration",
              ("operation.abort-in-progress-live-migration",), None, 409,
              "abort live migration", path="/servers/{server}/migrations/9999",
              verb="DELETE"),
    Operation("evacuate", ("operation.evacuate",), {"evacuate": {}}, 400, "in use"),
    Operation("password", ("operation.set-admin-password",),
              {"changePassword": {"adminPass": "x"}}, 409,
              "Set admin password is not supported", "changePassword"),
    Operation("restore", (), {"restore": None}, 409, "restore"),
    Operation("unrescue", ("operation.rescue",), {"unrescue": None}, 409, "unrescue"),
    _host("maintenance", {"maintenance_mode": "enable"}, "", "PUT"),
    _host("reboot of the host", None, "/reboot", "GET"),
    _host("shutdown of the host", None, "/shutdown", "GET"),
    _host("start of the host", None, "/startup", "GET"),
    _console("console.vnc", "vnc", "novnc"),
    _console("console.spice", "spice", "spice-html5"),
    _console("console.serial.interactive", "serial", "serial"),
    # Nova's API itself knows it no more.
    _console("console.rdp", "rdp", "rdp-html5", "badRequest"),
    _console("", "mks", "webmks"),
    Operation("pause", ("operation.pause",), {"pause": None}, 202, NOT_OURS, "pause",
              platforms=(POWERVM,)),
    Operation("unpause", ("operation.unpause",), {"unpause": None}, 409, "unpause",
              platforms=(POWERVM,)),
    Operation("console log", ("console.serial.log",), {"os-getConsoleOutput": {}}, 404,
              "have a console", platforms=(POWERVM,)),
    Operation("crash dump", ("operation.trigger-crash-dump",),
              {"trigger_crash_dump": None}, 202, NOT_OURS, "trigger_crash_dump",
              platforms=(ZVM,)),
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Attachment:
    """A volume of a type of the small Nova that cannot be attached."""

    name: str
    features: tuple[str, ...]
    volume_type: str
    told: str
    platforms: tuple[str, ...] = BOTH


ATTACHMENTS = [
    Attachment("encrypted", ("operation.encrypted-volume",), "fc-encrypted",
               "encrypted volume"),
    Attachment("limited", ("guest.disk.rate-limit",), "fc-limited", "QoS specs"),
    # The storage is told of no initiator; Nova shows the sort of its error alone.
    Attachment("iSCSI", ("storage.block.backend.iscsi",
               "storage.block.backend.iscsi.auth.chap"), "iscsi", "ClientException",
               (POWERVM,)),
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Build:
    """A server that is asked for with something that it shall not run without.

    :ivar specs: extra specs of its flavor.
    :ivar image: properties of its image.
    :ivar options: of the request. ``port`` and ``volume`` are made for it.
    :ivar told: is in the server's fault.
    """

    name: str
    features: tuple[str, ...]
    specs: typing.Mapping[str, str] = dataclasses.field(default_factory=dict)
    image: typing.Mapping[str, str] = dataclasses.field(default_factory=dict)
    options: typing.Mapping[str, typing.Any] = dataclasses.field(default_factory=dict)
    port: typing.Mapping[str, typing.Any] = dataclasses.field(default_factory=dict)
    volume: str = ""
    told: str = "No valid host"
    version: str = "2.90"
    platforms: tuple[str, ...] = BOTH


_UEFI = {"hw_firmware_type": "uefi", "hw_machine_type": "q35"}
_BANDWIDTH = {
    "id": "b1a3c9a2-7c0f-4d57-8a3e-2f5a50d0c001",
    "required": ["CUSTOM_VNIC_TYPE_NORMAL"],
    "resources": {"NET_BW_EGR_KILOBIT_PER_SEC": 1000},
}
BUILDS = [
    Build("UEFI", ("operation.uefi-boot",), image={"hw_firmware_type": "uefi"},
          told="by UEFI"),
    Build("secure boot", ("operation.uefi-boot",), {"os:secure_boot": "required"},
          _UEFI),
    Build("stateless firmware", ("operation.boot-stateless-firmware",),
          image={**_UEFI, "hw_firmware_stateless": "true"}),
    Build("encrypted memory", ("operation.boot-encrypted-vm",),
          {"hw:mem_encryption": "true"}, _UEFI),
    Build("emulated TPM", ("operation.boot-emulated-tpm",),
          {"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb"}),
    Build("file-backed memory", ("operation.file-backed-memory",),
          {"trait:COMPUTE_MEM_BACKING_FILE": "required"}),
    Build("encrypted disks", (), {"hw:ephemeral_encryption": "true"}),
    Build("disk limits", ("guest.disk.rate-limit",),
          {"quota:disk_total_iops_sec": "100"}, told="quota:disk_total_iops_sec"),
    Build("processors of its own", (), {"hw:cpu_policy": "dedicated"},
          told="processors or pages of its own"),
    Build("bandwidth", ("operation.port-with-resource-request",),
          port={"resource_request": {"request_groups": [_BANDWIDTH],
                                     "same_subtree": [_BANDWIDTH["id"]]}}),
    Build("SR-IOV", ("operation.port-with-resource-request",),
          port={"binding:vnic_type": "direct"}, told="Exhausted all hosts"),
    Build("encrypted volume", ("operation.encrypted-volume",), volume="fc-encrypted",
          told="encrypted volume"),
    Build("iSCSI volume", ("storage.block.backend.iscsi",), volume="iscsi",
          told="iSCSI initiator"),
    Build("files", ("guest.setup.inject.file",), version="2.56", told="config drive",
          options={"personality": [{"path": "/etc/x", "contents": "YQ=="}]},
          platforms=(POWERVM,)),
    Build("CPU traits", ("operation.report-cpu-traits",),
          {"trait:HW_CPU_PPC64LE_POWER9": "required"}, platforms=(ZVM,)),
]  # fmt: skip

# Tests of their own, in the files of this directory.
_HERE = "test_unsupported"
TESTS = {
    (_HERE, "test_rescue_is_refused"): (BOTH, ("operation.rescue",)),
    (_HERE, "test_an_evacuation_is_refused"): (BOTH, ("operation.evacuate",)),
    (_HERE, "test_a_swap_of_volumes_is_refused"): (BOTH, ("operation.swap-volume",)),
    (_HERE, "test_a_quiesced_snapshot_is_refused"): (
        (POWERVM,), ("operation.quiesce",),
    ),
    (_HERE, "test_files_are_in_the_config_drive_alone"): (
        BOTH, ("guest.setup.inject.file",),
    ),
    ("test_zvm_volumes", "test_an_iscsi_volume_is_not_attached"): (
        (ZVM,),
        ("storage.block.backend.iscsi", "storage.block.backend.iscsi.auth.chap"),
    ),
}  # fmt: skip

# What nobody can ask for, and why.
UNASKED = {
    "guest.disk.autoconfig": "Nova takes it, and no driver of today reads it",
    "guest.setup.inject.networking": "Nova hands networks to every driver unasked",
    "operation.unquiesce": "it follows a quiesce that succeeded",
}
UNASKED_ZVM = {
    "operation.rebuild-volume-backed": "no server boots from a volume",
    "operation.quiesce": "no server boots from a volume; of others the disk is "
    "captured while they are off",
}


def refused(platform: str) -> set[str]:
    """The features that a test asks a platform for and sees refused."""
    tables = [*OPERATIONS, *ATTACHMENTS, *BUILDS]
    found = {f for one in tables if platform in one.platforms for f in one.features}
    found.update(
        feature
        for platforms, features in TESTS.values()
        if platform in platforms
        for feature in features
    )
    return found


def unasked(platform: str) -> dict[str, str]:
    return {**UNASKED, **(UNASKED_ZVM if platform == ZVM else {})}
