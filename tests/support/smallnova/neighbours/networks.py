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

"""Networks and ports bound as the platform's mechanism driver binds them.

``network-vif-plugged`` is sent when, and only when, the hypervisor has the
port's adapter in its VLAN: a thread looks at the simulator.
"""

from __future__ import annotations

import threading
import uuid

from ibmvirt.simulators.core import handle
from tests.support.smallnova.neighbours import base

_LOOK = 0.1


class Networks(base.Service):
    """Two networks, ``net1`` and ``net2``, with a subnet each.

    :param vif_type: what ports are bound as.
    :param admin_url: of the simulator.
    :param events: called with a list of external events for Nova.
    """

    def __init__(self, directory, vif_type, admin_url, events):
        self.vif_type = vif_type
        # Neutron's base_mac is that of the platform: z/VM sets its own.
        self.mac_prefix = "02:00:00" if vif_type == "zvm" else "fa:16:3e"
        self.admin_url = admin_url
        self.events = events
        super().__init__(directory / "networks.json")
        self._stop = threading.Event()
        self._seen = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        route = self.route
        route("GET", "/", lambda r: self.versions())
        route("GET", "/v2.0", lambda r: self.versions())
        route("GET", "/v2.0/extensions", self.extensions)
        for name in ("networks", "subnets", "ports", "security-groups"):
            table = name.replace("-", "_")
            route(
                "GET", f"/v2.0/{name}", lambda r, t=table: {t: self.select(t, r.pairs)}
            )
            route("GET", f"/v2.0/{name}/([^/]+)", lambda r, i, t=table: self.show(t, i))
        route("GET", "/v2.0/floatingips", lambda r: {"floatingips": []})
        route("GET", "/v2.0/quotas/[^/]+", lambda r: {"quota": {"port": -1}})
        route("POST", "/v2.0/ports", self.create)
        route("PUT", "/v2.0/ports/([^/]+)", self.update)
        route("DELETE", "/v2.0/ports/([^/]+)", self.delete)

    def initial(self):
        def fixed(name):
            return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.small"))

        networks, subnets = {}, {}
        for number in (1, 2):
            identity, subnet = fixed(f"net{number}"), fixed(f"subnet{number}")
            networks[identity] = {
                "id": identity,
                "name": f"net{number}",
                "status": "ACTIVE",
                "admin_state_up": True,
                "shared": True,
                "tenant_id": "demo",
                "project_id": "demo",
                "mtu": 1450,
                "subnets": [subnet],
                "provider:network_type": "vlan",
                "provider:physical_network": "default",
                "provider:segmentation_id": 100 + number,
                "router:external": False,
                "port_security_enabled": False,
            }
            subnets[subnet] = {
                "id": subnet,
                "network_id": identity,
                "name": f"subnet{number}",
                "cidr": f"10.{number}.0.0/16",
                "gateway_ip": f"10.{number}.0.1" if number == 1 else None,
                "dns_nameservers": ["10.1.0.2"] if number == 1 else [],
                "host_routes": [],
                "enable_dhcp": False,
                "ip_version": 4,
                "tenant_id": "demo",
                "ipv6_ra_mode": None,
                "ipv6_address_mode": None,
                "allocation_pools": [],
            }
        group = {"id": fixed("group"), "name": "default", "tenant_id": "demo",
                 "project_id": "demo", "description": "", "security_group_rules": []}  # fmt: skip
        return {
            "networks": networks,
            "subnets": subnets,
            "ports": {},
            "next_mac": 1,
            "security_groups": {group["id"]: group},
        }

    def versions(self):
        links = [{"rel": "self", "href": f"{self.url}/v2.0/"}]
        return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}

    @staticmethod
    def extensions(_request):
        names = {"binding": "Port Binding", "provider": "Provider Network",
                 "security-group": "security-group",
                 "port-resource-request": "Port Resource Request",
                 "port-resource-request-groups": "Port Resource Request Groups"}  # fmt: skip
        return {
            "extensions": [
                {"alias": alias, "name": name, "description": "", "links": [],
                 "updated": "2026-01-01T00:00:00-00:00"}
                for alias, name in names.items()
            ]
        }  # fmt: skip

    def select(self, table, pairs):
        """Objects that fit; of a key that is there twice, any value does."""
        wanted = {}
        for key, value in pairs:
            if key not in ("fields", "limit", "marker", "sort_key", "sort_dir"):
                wanted.setdefault(key, []).append(value)
        with self.lock:
            return [
                dict(item)
                for item in self.data[table].values()
                if all(
                    any(self._fits(item, key, value) for value in values)
                    for key, values in wanted.items()
                )
            ]

    @staticmethod
    def _fits(item, key, value):
        if key == "fixed_ips":
            address = value.partition("=")[2]
            return any(ip["ip_address"] == address for ip in item["fixed_ips"])
        if key not in item:
            return True
        return str(item[key]).lower() == value.lower()

    def show(self, table, identity):
        with self.lock:
            if identity not in self.data[table]:
                raise base.Refused(404, f"no {table} {identity}")
            return {table[:-1]: self.data[table][identity]}

    # -- ports ------------------------------------------------------------

    def create(self, request):
        given = base.body(request)["port"]
        with self.lock:
            network = self.data["networks"].get(given["network_id"])
            if network is None:
                raise base.Refused(404, "no such network")
            subnet = network["subnets"][0]
            used = sum(
                p["network_id"] == network["id"] for p in self.data["ports"].values()
            )
            prefix = self.data["subnets"][subnet]["cidr"].split(".0.0")[0]
            # Never used again, after a restart neither.
            number = self.data["next_mac"]
            self.data["next_mac"] += 1
            taken = {
                ip["ip_address"]
                for p in self.data["ports"].values()
                for ip in p["fixed_ips"]
            }
            address = next(
                a
                for a in (f"{prefix}.1.{n}" for n in range(used + 1, 255))
                if a not in taken
            )
            port = {
                "id": str(uuid.uuid4()),
                "name": "",
                "status": "DOWN",
                "admin_state_up": True,
                "tenant_id": "demo",
                "project_id": "demo",
                "mac_address": f"{self.mac_prefix}:{number >> 16 & 255:02x}:"
                f"{number >> 8 & 255:02x}:{number & 255:02x}",
                "device_id": "",
                "device_owner": "",
                "binding:vnic_type": "normal",
                "binding:profile": {},
                "binding:host_id": "",
                "binding:vif_type": "unbound",
                "binding:vif_details": {},
                "security_groups": list(self.data["security_groups"]),
                "allowed_address_pairs": [],
                "extra_dhcp_opts": [],
                "dns_name": "",
                **given,
                "fixed_ips": [{"subnet_id": subnet, "ip_address": address}],
            }
            self._bind(port)
            self.data["ports"][port["id"]] = port
            self.save()
        return base.reply({"port": port}, 201)

    def update(self, request, identity):
        with self.lock:
            port = self.show("ports", identity)["port"]
            port.update(base.body(request)["port"])
            port["binding:profile"] = port.get("binding:profile") or {}
            self._bind(port)
            self.save()
            return {"port": port}

    def _bind(self, port):
        if port.get("binding:host_id"):
            network = self.data["networks"][port["network_id"]]
            port["binding:vif_type"] = self.vif_type
            port["binding:vif_details"] = {
                "vlan": str(network["provider:segmentation_id"]),
                "physical_network": network["provider:physical_network"],
                "port_filter": False,
            }
        else:
            port["binding:vif_type"] = "unbound"
            port["binding:vif_details"] = {}
            port["status"] = "DOWN"

    def delete(self, request, identity):
        with self.lock:
            self.show("ports", identity)
            del self.data["ports"][identity]
            self.save()

    # -- what the hypervisor has --------------------------------------------

    def start(self):
        super().start()
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()
        super().stop()

    def _watch(self):
        while not self._stop.wait(_LOOK):
            with self.lock:
                # Copies: a port may be unbound before it is compared.
                bound = [
                    dict(port)
                    for port in self.data["ports"].values()
                    if port["binding:vif_type"] == self.vif_type
                ]
            if not bound:
                continue
            try:
                present = self._adapters()
            except (handle.SimulatorError, OSError):
                continue
            self._compare(bound, present)

    def _adapters(self):
        guests = handle.request(self.admin_url, "GET", "guests")
        return {
            (adapter["mac"].lower().replace(":", ""), adapter["vlan"]): adapter["id"]
            for guest in guests
            for adapter in guest["adapters"]
        }

    def _compare(self, bound, present):
        events = []
        for port in bound:
            mac = port["mac_address"].replace(":", "")
            there = present.get((mac, int(port["binding:vif_details"]["vlan"])))
            status = "ACTIVE" if there else "DOWN"
            # Another adapter than before: it was unplugged and plugged between
            # two looks, which an agent sees by the platform's events.
            again = there and self._seen.get(port["id"], there) != there
            self._seen[port["id"]] = there
            with self.lock:
                current = self.data["ports"].get(port["id"])
                if current is None or (current["status"] == status and not again):
                    continue
                current["status"] = status
                self.save()
            if port["device_id"]:
                events.append(
                    {
                        "name": "network-vif-plugged"
                        if there
                        else "network-vif-unplugged",
                        "server_uuid": port["device_id"],
                        "tag": port["id"],
                        "status": "completed",
                    }
                )
        if events:
            self.events(events)
