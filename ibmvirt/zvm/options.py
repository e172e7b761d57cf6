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

"""Options of the z/VM driver, group ``[zvm]``.

``cloud_connector_url``, ``ca_file``, ``image_tmp_path`` and
``reachable_timeout`` are Nova's own options of the group.
"""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("zvm", title="z/VM driver")

OPTIONS = [
    cfg.StrOpt(
        "token_path",
        help="File with the Cloud Connector's admin token, where it runs with "
        "authentication.",
    ),
    cfg.FloatOpt(
        "connect_timeout",
        default=10.0,
        min=1.0,
        help="Seconds to wait for a connection to the Connector.",
    ),
    cfg.FloatOpt(
        "request_timeout",
        default=1800.0,
        min=10.0,
        help="Seconds to wait for the Connector's answer; a deployment of a "
        "large image takes minutes. The answer to a question, such as a power "
        "state, is waited for 300 seconds at most.",
    ),
    cfg.StrOpt(
        "transport",
        default="shared",
        choices=[
            ("shared", "a directory that the Connector sees under the same path"),
            (
                "scp",
                "the Connector copies from this host and to it by ssh; it does "
                "not verify this host's key",
            ),
        ],
        help="How config drives, images and snapshots come to the Connector and "
        "from it.",
    ),
    cfg.FloatOpt(
        "check_interval",
        default=10.0,
        min=1.0,
        help="Seconds between looks whether the Connector answers. While it does "
        "not, the service is disabled and the scheduler leaves the node out.",
    ),
    cfg.StrOpt(
        "shared_directory",
        help="Directory that the Connector sees under the same path, where "
        "transport is shared; the default is <state_path>/zvm/shared.",
    ),
    cfg.StrOpt(
        "scp_remote_host",
        help="user@address of this host as the Connector reaches it, where "
        "transport is scp; the default is the service's user at my_ip. The "
        "Connector's user needs an ssh key for it.",
    ),
    cfg.ListOpt(
        "disk_pools",
        default=[],
        help="Disk pools for minidisks, such as ECKD:POOL1,FBA:POOL2. A server "
        "gets the first one of its image's type, or the one that its flavor's "
        "zvm:disk_pool names; all are counted in the inventory. The default is "
        "the Connector's own.",
    ),
    cfg.DictOpt(
        "os_version_map",
        default={},
        help="Releases of Linux that the Connector does not know, and what they "
        "are taken for: rhel10:rhel9.4,debian12:ubuntu22.04. A name stands for all "
        "releases that begin with it.",
    ),
    cfg.StrOpt(
        "userid_prefix",
        default="OSV",
        regex="^[A-Z][A-Z0-9]{0,3}$",
        help="Beginning of the userids of servers whose name is no valid "
        "userid. 1 to 4 characters.",
    ),
    cfg.StrOpt(
        "fcp_template",
        default="",
        help="Name or id of the Connector's FCP multipath template that volumes "
        "are attached by; empty for the Connector's default of the host.",
    ),
    cfg.IntOpt(
        "fcp_reservation_time",
        default=1800,
        min=60,
        help="Seconds that FCP devices stay reserved for a volume whose attach "
        "does not come.",
    ),
    cfg.ListOpt(
        "ssi_connectors",
        default=[],
        help="Addresses of the Connectors of the other members of an SSI "
        "cluster, with the same ca_file and token_path; 'none' where they have "
        "none. A guest that one of them has is not deleted from here. In a "
        "cluster nothing that ever ran is deleted until this is set.",
    ),
    cfg.BoolOpt(
        "grant_vswitch",
        default=True,
        help="Couple and grant network adapters in the driver. Off where an "
        "agent of the network service does that.",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTIONS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """For the sample configuration."""
    return [(GROUP.name, OPTIONS)]
