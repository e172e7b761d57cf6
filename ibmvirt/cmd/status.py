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


"""The command ``ibmvirt-status``: is this host ready for the driver?"""

from __future__ import annotations

import argparse
import collections.abc
import sys
import typing
import warnings

import ibmvirt

if typing.TYPE_CHECKING:
    from ibmvirt.common import preflight

EXIT_WARNING, EXIT_FAILURE = 1, 2

_EPILOG = """\
exit status:
  0  everything is there
  1  something is missing that not every server needs
  2  the driver cannot work, or the command was used wrongly
"""


def main(argv: collections.abc.Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            # Of libraries that still import it; it would stand before the findings.
            warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
            return _check(arguments)
    except ModuleNotFoundError as error:
        print(
            f"ibmvirt-status: the Python module {error.name!r} is not installed: "
            "pip install 'ibmvirt[powervm]' or 'ibmvirt[zvm]'",
            file=sys.stderr,
        )
        return EXIT_FAILURE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ibmvirt-status",
        description="Checks that the hypervisor of this host has what the driver "
        "that nova-compute is configured with needs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=ibmvirt.__version__)
    commands = parser.add_subparsers(required=True, metavar="command")
    check = commands.add_parser("check", help="look at the system; change nothing")
    check.add_argument(
        "--config-file",
        action="append",
        metavar="FILE",
        help="configuration of nova-compute; may be repeated "
        "(default: where nova-compute looks)",
    )
    check.add_argument(
        "--base-mac",
        metavar="MAC",
        default="",
        help="base_mac of the network service, to compare with z/VM's prefix",
    )
    check.add_argument(
        "--physical-network",
        action="append",
        metavar="NAME",
        help="a physical network of the network service that this host shall "
        "reach, by a vswitch or a Shared Ethernet Adapter; may be repeated",
    )
    return parser


def _check(arguments: argparse.Namespace) -> int:
    from oslo_config import cfg

    from ibmvirt.common import exceptions, preflight

    try:
        findings = _findings(arguments)
    except (cfg.Error, exceptions.IBMVirtError) as error:
        print(f"ibmvirt-status: {error}", file=sys.stderr)
        return EXIT_FAILURE
    for finding in findings:
        print(f"{finding.result:<8} {finding.name}: {finding.detail}")
    results = {finding.result for finding in findings}
    if preflight.FAILURE in results:
        return EXIT_FAILURE
    return EXIT_WARNING if preflight.WARNING in results else 0


def _findings(arguments: argparse.Namespace) -> list[preflight.Finding]:
    """Of the driver that ``compute_driver`` names.

    :raises InvalidRequest: it names none of ours.
    """
    from oslo_config import cfg

    from ibmvirt.common import exceptions

    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt("compute_driver", default=""))
    files = arguments.config_file
    conf([], project="nova", default_config_files=files)
    name = conf.compute_driver.rpartition(".")[2]
    if name == "ZVMDriver":
        return _zvm(arguments, files)
    if name != "PowerVMDriver":
        raise exceptions.InvalidRequest(
            "tell which platform to check",
            f"[DEFAULT] compute_driver is {conf.compute_driver!r}",
            "set it to ibmvirt.PowerVMDriver or ibmvirt.ZVMDriver, or give the "
            "configuration of nova-compute with --config-file",
        )
    from ibmvirt.powervm import options, preflight

    options.register(conf)
    conf([], project="nova", default_config_files=files)
    options.register_fabrics(conf)
    networks = tuple(arguments.physical_network or ())
    return preflight.check(conf.powervm, networks)


def _zvm(
    arguments: argparse.Namespace, files: list[str] | None
) -> list[preflight.Finding]:
    from nova.conf import netconf, paths
    from nova.conf import zvm as nova_zvm
    from oslo_config import cfg

    from ibmvirt.zvm import backend, options, preflight

    conf = cfg.ConfigOpts()
    for module in (paths, netconf, nova_zvm):
        module.register_opts(conf)
    options.register(conf)
    conf([], project="nova", default_config_files=files)
    neutron = preflight.Neutron(
        arguments.base_mac, tuple(arguments.physical_network or ())
    )
    return backend.check(conf.zvm, conf.state_path, conf.my_ip, conf.host, neutron)
