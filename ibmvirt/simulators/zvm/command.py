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

"""``ibmvirt-sim zvm``: a z/VM beneath real Cloud Connectors."""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import re
import sys

from ibmvirt.simulators.core import process
from ibmvirt.simulators.zvm import imagefile, machine

EPILOG = """\
environment printed, to be evaluated by a shell:
  ZVM_CONNECTOR_URL        the first member's Connector
  ZVM_CONNECTOR_TOKEN_PATH its token file (--auth)
  ZVM_CONNECTOR_CA_FILE    the certificate to trust (--tls)
  IBMVIRT_SIM_ADMIN_URL    the admin API; /sim/ is a page for a browser
  IBMVIRT_SIM_PID          the process to end

ibmvirt-sim zvm make-image --help tells of the command that makes images.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add(
        "--members",
        type=_count(1, 8),
        default=1,
        metavar="N",
        help="members of the SSI cluster, each with a Connector; with a fixed port "
        "the next ones have the ports that follow (default 1)",
    )
    add(
        "--guests",
        type=_count(0, 10_000),
        default=0,
        metavar="N",
        help="guests that are there, GST00001 and so on, all off (default 0)",
    )
    add(
        "--disk-pool",
        type=_pool,
        action="append",
        dest="pools",
        metavar="TYPE:NAME",
        help="disk pool, ECKD or FBA; the first one is the Connectors' own "
        "(default ECKD:POOL1)",
    )
    add(
        "--auth",
        action="store_true",
        help="the Connectors want tokens; the ready file names the token files",
    )
    tasks = parser.add_subparsers(dest="task", metavar="[make-image]")
    make = tasks.add_parser(
        "make-image",
        help="write an image in the Connector's format, and end",
        description="Write an image in the Connector's format, and end.",
    )
    make.add_argument("raw", metavar="RAW", type=pathlib.Path, help="bytes of a disk")
    make.add_argument(
        "-o",
        dest="image",
        metavar="IMAGE",
        type=pathlib.Path,
        required=True,
        help="the file to write; it appears whole or not at all",
    )
    make.add_argument(
        "--type",
        choices=("ECKD", "FBA"),
        default="ECKD",
        help="the kind of disk that it is for (default %(default)s)",
    )


class _count:
    """A whole number within limits, as an argument's type."""

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def __call__(self, text: str) -> int:
        if text.isdecimal() and self.least <= int(text) <= self.most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not {self.least} to {self.most}")


def _pool(text: str) -> tuple[str, str]:
    """ECKD:NAME or FBA:NAME."""
    match = re.fullmatch(r"(ECKD|FBA):([A-Z0-9@#$]{1,8})", text.upper())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not ECKD:NAME or FBA:NAME")
    return match.group(1), match.group(2)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C, or make an image."""
    if arguments.task == "make-image":
        return _make_image(arguments)
    if importlib.util.find_spec("zvmsdk") is None:
        # The Connector is a process of its own, and would end with a traceback.
        raise ModuleNotFoundError("the Cloud Connector is missing", name="zvmsdk")
    options = machine.Options(
        listen=arguments.listen,
        members=arguments.members,
        guests=arguments.guests,
        pools=tuple(arguments.pools or machine.Options().pools),
        auth=arguments.auth,
        tls=arguments.tls,
        world=arguments.world,
        latency=arguments.latency,
        rate=arguments.rate,
    )
    state = process.StateDirectory(arguments.state_dir)
    try:
        return _serve(machine.Machine(options, state), arguments.ready_file)
    except RuntimeError as error:
        print(f"ibmvirt-sim zvm: {error}", file=sys.stderr)
        return 1
    finally:
        state.close()


def _serve(made: machine.Machine, ready_file: str | None) -> int:
    try:
        made.start()
        ready = made.ready()
        first = ready["members"][0]
        exports = {
            "IBMVIRT_SIM_PID": str(ready["pid"]),
            "IBMVIRT_SIM_ADMIN_URL": ready["admin_url"],
            "ZVM_CONNECTOR_URL": first["connector_url"],
        }
        if first["token_path"]:
            exports["ZVM_CONNECTOR_TOKEN_PATH"] = first["token_path"]
        if ready["certificate"]:
            exports["ZVM_CONNECTOR_CA_FILE"] = ready["certificate"]
        process.announce(exports, ready, ready_file)
        process.wait_for_end()
    finally:
        made.stop()
    return 0


def _make_image(arguments: argparse.Namespace) -> int:
    try:
        imagefile.make(arguments.raw, arguments.image, arguments.type)
    except imagefile.NoImage as error:
        print(f"ibmvirt-sim zvm make-image: {error}", file=sys.stderr)
        return 1
    return 0
