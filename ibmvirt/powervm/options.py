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

"""Options of the PowerVM driver, group ``[powervm]``.

Names that nova-powervm had keep their meaning.
"""

from __future__ import annotations

import typing

from oslo_config import cfg

GROUP = "powervm"

OPTIONS = [
    cfg.StrOpt(
        "novalink_host",
        default="localhost",
        help="Host name or address of the NovaLink REST server. With "
        "localhost and no password, the driver runs on the NovaLink partition "
        "and proves itself by a local file.",
    ),
    cfg.PortOpt(
        "novalink_port",
        help="Port of the REST server; the default is 12080 for http and 12443 "
        "for https.",
    ),
    cfg.StrOpt(
        "novalink_protocol",
        choices=[("https", "TLS, verified"), ("http", "only on localhost")],
        help="Protocol of the REST server; the default is http with local "
        "authentication and https with a password.",
    ),
    cfg.StrOpt("novalink_user", help="User for authentication by password."),
    cfg.StrOpt(
        "novalink_password",
        secret=True,
        help="Password; without one the driver uses local authentication.",
    ),
    cfg.StrOpt(
        "novalink_ca_file",
        help="PEM file with the certificate authority of the REST server; the "
        "default is the system's store. The certificate is always verified.",
    ),
    cfg.FloatOpt(
        "connect_timeout",
        default=10.0,
        min=1.0,
        help="Seconds to wait for a connection to the REST server.",
    ),
    cfg.FloatOpt(
        "request_timeout",
        default=1200.0,
        min=10.0,
        help="Seconds to wait for the answer to a request. A write of a volume "
        "group, in which the VIOS copies an image, has an hour at least.",
    ),
    cfg.FloatOpt(
        "job_timeout",
        default=1800.0,
        min=10.0,
        help="Seconds to wait for a job of the platform.",
    ),
    cfg.IntOpt(
        "vios_wait_timeout",
        deprecated_name="vios_active_wait_timeout",
        default=120,
        min=0,
        help="Seconds that the service waits at its start for a VIOS with an "
        "active RMC connection.",
    ),
    cfg.StrOpt(
        "disk_driver",
        default="ssp",
        choices=[
            ("ssp", "logical units of a shared storage pool"),
            ("localdisk", "virtual disks in volume groups of the VIOSes"),
        ],
        help="Where the disks of new servers are made. Servers that have their "
        "disks elsewhere keep them.",
    ),
    cfg.IntOpt(
        "stale_upload_timeout",
        default=3600,
        min=1200,
        help="Seconds after which an image that another host uploads into the "
        "shared storage pool, and of which nothing has changed, is given up and "
        "uploaded anew. Hosts with this driver show every ten minutes that they "
        "are alive; nova-powervm's did not, and may need more.",
    ),
    cfg.IntOpt(
        "disk_capacity_gb",
        default=0,
        min=0,
        help="DISK_GB that this node reports at most; 0 = all that the pool's tier "
        "or the volume groups have. Every host of a pool reports it: set the share "
        "of each, or give the pool a sharing provider in Placement. "
        "reserved_host_disk_mb is taken off as well.",
    ),
    cfg.StrOpt(
        "volume_group_name",
        default="",
        help="With disk_driver localdisk: the volume group for disks and images, "
        "not rootvg; empty = the only one that is not rootvg.",
    ),
    cfg.StrOpt(
        "volume_group_vios_name",
        default="",
        help="The VIOS whose volume group is used; empty = all that have one of "
        "that name. New disks go where most space is free.",
    ),
    cfg.StrOpt(
        "vopt_media_volume_group",
        default="rootvg",
        help="Volume group of a VIOS in which a media repository for config "
        "drives is made, where no VIOS has one.",
    ),
    cfg.IntOpt(
        "vopt_media_rep_size",
        default=1,
        min=1,
        help="Size in GB of the media repository that is made.",
    ),
    cfg.BoolOpt(
        "remove_vopt_media_on_boot",
        default=False,
        help="Let the platform take a server's config drive away some time after "
        "its first start. Where the service or the platform was started anew in "
        "between, it is the next start. The drive's file goes with the server.",
    ),
    cfg.IntOpt(
        "remove_vopt_media_time",
        default=60,
        min=0,
        help="Minutes from a server's start until its config drive is taken away.",
    ),
    cfg.StrOpt(
        "cluster_name",
        default="",
        help="Cluster whose shared storage pool is used; empty = the only one.",
    ),
    cfg.StrOpt(
        "tier_name",
        default="",
        help="Tier of the pool for new disks; empty = the default tier.",
    ),
    cfg.StrOpt(
        "local_root",
        default="/",
        advanced=True,
        help="Directory in which the service sees dev, proc and sys of the "
        "NovaLink partition, where it reads disks for snapshots; another than / "
        "in a container.",
    ),
    cfg.FloatOpt(
        "proc_units_factor",
        default=0.1,
        min=0.05,
        max=1.0,
        help="Processing units for each virtual processor, where a flavor does "
        "not say powervm:proc_units.",
    ),
    cfg.IntOpt(
        "uncapped_proc_weight",
        default=64,
        min=1,
        max=255,
        help="Weight of uncapped partitions, where a flavor does not say "
        "powervm:shared_weight; 1 to 255.",
    ),
    cfg.IntOpt(
        "maximum_io_slots",
        default=256,
        min=16,
        help="Virtual slots of a partition (nova-powervm: 64).",
    ),
    cfg.BoolOpt(
        "use_rmc_mgmt_vif",
        default=True,
        help="Give each partition an adapter on the management switch, through "
        "which the platform's RMC reaches it.",
    ),
    cfg.StrOpt(
        "management_switch",
        default="MGMTSWITCH",
        help="Virtual switch of the management network.",
    ),
    cfg.StrOpt(
        "default_switch",
        default="ETHERNET0",
        help="Virtual switch of SEA networks whose port binding names none.",
    ),
    cfg.StrOpt(
        "bridge_mappings",
        default="",
        help="The Shared Ethernet Adapters of the physical networks, as "
        "<physical network>:<SEA>:<VIOS>, separated by commas, in the form and "
        "with the values of the SEA agent's option. A port goes to the virtual "
        "switch of its network's SEA, and a port of a network that is not there "
        "is refused. Without any, all ports go to default_switch, which must "
        "have an SEA.",
    ),
    cfg.StrOpt(
        "pvm_vswitch_for_novalink_io",
        default="NovaLinkVEABridge",
        help="Virtual switch between the partitions and Open vSwitch on the "
        "NovaLink partition. It is made when it is not there, and is for this "
        "alone.",
    ),
    cfg.BoolOpt(
        "volume_use_multipath",
        default=False,
        help="Ask the volume service for several paths to a volume.",
    ),
    cfg.StrOpt(
        "fc_attach_strategy",
        default="vscsi",
        ignore_case=True,
        choices=[
            ("vscsi", "VIOSes find the volumes and map them as disks"),
            ("npiv", "each partition has Fibre Channel adapters of its own"),
        ],
        help="How servers reach Fibre Channel volumes. It is decided with a "
        "server's first volume; those that have one keep their way.",
    ),
    cfg.IntOpt(
        "vscsi_vios_connections_required",
        default=1,
        min=1,
        help="VIOSes that must find a volume at least, for vscsi.",
    ),
    cfg.StrOpt(
        "fabrics",
        default="A",
        help="Names of the Fibre Channel fabrics, separated by commas, for "
        "npiv. Each has an option fabric_<name>_port_wwpns.",
    ),
    cfg.IntOpt(
        "ports_per_fabric",
        default=1,
        min=1,
        help="Fibre Channel adapters of a server on each fabric, for npiv. They "
        "are spread over the VIOSes.",
    ),
]


def _fabric_option(name: str) -> cfg.StrOpt:
    return cfg.StrOpt(
        f"fabric_{name}_port_wwpns",
        default="",
        help=f"WWPNs of the VIOSes' ports on the fabric {name}, separated by commas.",
    )


# In the sample; a deployment has those of its fabrics.
_SAMPLES = [_fabric_option("A"), _fabric_option("B")]


def register_fabrics(conf: cfg.ConfigOpts) -> None:
    """Register the options of the fabrics that the configuration names."""
    for name in filter(None, (part.strip() for part in conf[GROUP].fabrics.split(","))):
        conf.register_opt(_fabric_option(name), group=GROUP)


def fabric_ports(options: typing.Any, name: str) -> str:
    """The ports of a fabric; :func:`register_fabrics` has been called."""
    return str(options[f"fabric_{name}_port_wwpns"])


def register(conf: cfg.ConfigOpts) -> None:
    # A group of its own: oslo.config keeps overrides in the group's object.
    conf.register_group(cfg.OptGroup(GROUP, title="PowerVM driver"))
    conf.register_opts(OPTIONS, group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """For the sample configuration."""
    return [(GROUP, [*OPTIONS, *_SAMPLES])]
