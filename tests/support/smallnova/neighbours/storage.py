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

"""LUNs of the storage that the simulated hypervisors reach."""

from __future__ import annotations

from ibmvirt.simulators.core import handle

_TARGETS = ("5005076801000001", "5005076801000002")
_IQN = "iqn.2026-01.org.ibmvirt.small:target00"
_PORTAL = "192.0.2.10:3260"
_CHAP = ("small", "not-a-real-secret")
# Numbers behind the targets; those below are of the simulator's own LUNs.
FIRST_LUN = 100


class Unreachable(Exception):
    """The connector has no port that reaches the storage."""


class Storage:
    """Makes, grows and removes LUNs, and says how a host connects to one.

    Both simulators are told of each, and a guest or a VIOS then finds it behind
    the target ports.

    :param admin_url: of the simulator.
    :param platform: z/VM has no iSCSI: a LUN of it is nobody's there.
    """

    def __init__(self, admin_url, platform):
        self._admin_url = admin_url
        self._platform = platform

    def create(self, number, size_gib, protocol):
        """The record of a new LUN of so many GiB."""
        if protocol == "iscsi" and self._platform == "zvm":
            return {"key": None, "udid": None, "lun": number, "protocol": protocol}
        fields = {"size": size_gib * 1024, "lun": number}
        if protocol == "iscsi":
            user, password = _CHAP
            fields |= {"targets": [_IQN], "portal": _PORTAL}
            fields |= {"user": user, "password": password}
        else:
            fields["targets"] = list(_TARGETS)
        made = self._admin("POST", "luns", fields)
        return {
            "key": made.get("number"),
            "udid": made.get("udid"),
            "lun": number,
            "protocol": protocol,
        }

    def grow(self, lun, size_gib):
        self._admin("PUT", f"luns/{lun['key']}", {"size": size_gib * 1024})

    def remove(self, lun):
        if lun["key"] is None:
            return
        try:
            self._admin("DELETE", f"luns/{lun['key']}")
        except handle.SimulatorError:
            # The simulator was reset to a time before it was made.
            known = {one["number"] for one in self._admin("GET", "luns")}
            if lun["key"] in known:
                raise

    def _admin(self, verb, path, body=None):
        return handle.request(self._admin_url, verb, path, body)

    @staticmethod
    def connection(lun, connector):
        """The connection_info that a host with this connector is given.

        :raises Unreachable: the host has no port for the protocol.
        """
        if lun["protocol"] == "iscsi":
            if not connector.get("initiator"):
                raise Unreachable("the connector has no iSCSI initiator")
            user, password = _CHAP
            data = {
                "target_discovered": False,
                "target_iqn": _IQN,
                "target_portal": _PORTAL,
                "target_lun": lun["lun"],
                "auth_method": "CHAP",
                "auth_username": user,
                "auth_password": password,
            }
            if connector.get("multipath"):
                data |= {
                    "target_iqns": [_IQN],
                    "target_portals": [_PORTAL],
                    "target_luns": [lun["lun"]],
                }
        else:
            wwpns = connector.get("wwpns") or []
            if not wwpns:
                raise Unreachable("the connector has no Fibre Channel port")
            data = {
                "target_discovered": True,
                "target_wwn": list(_TARGETS),
                "target_lun": lun["lun"],
                "initiator_target_map": {
                    wwpn.replace(":", "").lower(): list(_TARGETS) for wwpn in wwpns
                },
            }
        return {"driver_volume_type": lun["protocol"], **data}
