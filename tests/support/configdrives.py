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


"""Config drives for tests and benchmarks, made up and always the same."""

from __future__ import annotations

import base64
import json
import pathlib
import random

VERSIONS = [
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30",
    "2016-10-06", "2017-02-22", "2018-08-27", "2020-10-14", "2025-04-04", "latest",
]  # fmt: skip
_SINCE = {
    "vendor_data.json": "2013-10-17",
    "network_data.json": "2015-10-15",
    "vendor_data2.json": "2016-10-06",
}
_UUID = "b65cee2f-8c69-4aeb-be2f-f79742548fc2"


def typical() -> dict[str, bytes]:
    """A drive as Nova 34 makes it: 51 files, about 63 kB, 18 contents.

    User data, two injected files, vendor data and two NICs; each version of
    the metadata has a random seed of its own, as in Nova.
    """
    rng = random.Random(34)
    user_data = b"#cloud-config\n" + b"# a line of user data\n" * 67
    documents = {
        "vendor_data.json": {},
        "vendor_data2.json": {"static": {"cloud-init": "#cloud-config\n" * 20}},
        "network_data.json": _network_data(),
    }
    files: dict[str, bytes] = {}
    for version in ("2009-04-04", "latest"):
        ec2 = {"instance-id": "i-00000001", "hostname": "vm", "local-ipv4": "10.0.0.4"}
        files[f"ec2/{version}/meta-data.json"] = json.dumps(ec2).encode()
        files[f"ec2/{version}/user-data"] = user_data
    for version in VERSIONS:
        base = f"openstack/{version}"
        metadata = {**_meta_data(), "random_seed": _seed(rng)}
        files[f"{base}/meta_data.json"] = json.dumps(metadata).encode()
        files[f"{base}/user_data"] = user_data
        for name, document in documents.items():
            if version >= _SINCE[name]:
                files[f"{base}/{name}"] = json.dumps(document).encode()
    files["openstack/content/0000"] = b"127.0.0.1 localhost\n" * 10
    files["openstack/content/0001"] = b"nameserver 10.0.0.1\n"
    return files


def odd() -> dict[str, bytes]:
    """What Nova never makes: long, deep and foreign names, odd sizes."""
    files = {f"sizes/{size}": b"s" * size for size in (0, 1, 2047, 2048, 2049, 300_000)}
    files.update({f"many/file-number-{number:03}.txt": b"m" for number in range(150)})
    files["deep/" * 7 + "file"] = b"deep"
    files["unicode/grün-ß-日本語.json"] = b"{}"
    files["l" * 59 + ".json"] = b"long"
    files["same/a-b.c"], files["same/a_b.c"], files["same/a b.c"] = b"1", b"2", b"3"
    return files


def write_tree(files: dict[str, bytes], directory: pathlib.Path) -> None:
    """Put the files below a directory, as genisoimage wants them."""
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _seed(rng: random.Random) -> str:
    return base64.b64encode(rng.randbytes(512)).decode()


def _meta_data() -> dict[str, object]:
    key = "ssh-rsa " + "A" * 372 + " user@host"
    return {
        "uuid": _UUID,
        "hostname": "vm.novalocal",
        "name": "vm",
        "launch_index": 0,
        "availability_zone": "nova",
        "project_id": "c6a1b0f5e9b84d7f8a1f0f6e1c2d3e4f",
        "admin_pass": "9dLqK2vXbnTz",
        "public_keys": {"key": key},
        "keys": [{"name": "key", "type": "ssh", "data": key}],
        "meta": {"role": "web", "description": "a line about it " * 70},
        "files": [
            {"content_path": "/content/0000", "path": "/etc/hosts"},
            {"content_path": "/content/0001", "path": "/etc/resolv.conf"},
        ],
        "devices": [],
        "dedicated_cpus": [],
    }


def _network_data() -> dict[str, object]:
    links, networks = [], []
    for number in range(2):
        links.append(
            {
                "id": f"tap{number}",
                "type": "phy",
                "mtu": 1450,
                "ethernet_mac_address": f"fa:16:3e:00:00:0{number}",
                "vif_id": f"{number}4c0a2a6-3c1f-4e4e-9f57-a4c7d4f4b0b0",
            }
        )
        networks.append(
            {
                "id": f"network{number}",
                "type": "ipv4",
                "link": f"tap{number}",
                "ip_address": f"10.0.{number}.4",
                "netmask": "255.255.255.0",
                "network_id": f"{number}a7b6c3d2-0000-4000-8000-0123456789ab",
                "routes": [
                    {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"}
                ],
            }
        )
    services = [{"type": "dns", "address": "10.0.0.1"}]
    return {"links": links, "networks": networks, "services": services}
