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

"""``ibmvirt-sim powervm|zvm``: the simulators' command line."""

from __future__ import annotations

import argparse
import collections.abc
import contextlib
import importlib
import logging
import math
import os
import pathlib
import shutil
import sys

from ibmvirt import __version__
from ibmvirt.simulators.core import latency, process, worldfile

# Name, module with add_arguments(parser) and run(arguments) -> int, and a text.
Platforms = collections.abc.Mapping[str, tuple[str, str]]
PLATFORMS: Platforms = {
    "powervm": ("ibmvirt.simulators.novalink.command", "a NovaLink (PowerVM)"),
    "zvm": ("ibmvirt.simulators.zvm.command", "a z/VM beneath the Cloud Connector"),
}


def _common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--listen",
        type=_address,
        default="127.0.0.1:0",
        metavar="HOST:PORT",
        help="address to serve on; port 0 is any free one (default %(default)s)",
    )
    add("--tls", action="store_true", help="serve https with a certificate made here")
    add("--world", metavar="FILE", help="YAML file with the world to begin with")
    add(
        "--latency",
        choices=latency.PROFILES,
        default="none",
        help="how long calls take (default %(default)s)",
    )
    add(
        "--rate",
        type=_rate,
        default=1.0,
        help="simulated seconds in a real one; 0 = only by hand (default %(default)s)",
    )
    add("--state-dir", metavar="DIR", help="keep the state here; default: temporary")
    add(
        "--ready-file",
        type=_file,
        metavar="FILE",
        help="write JSON here once it serves",
    )
    # For the Python handle: nothing is left when the parent is killed.
    add("--end-with-stdin", metavar="DIR", help=argparse.SUPPRESS)


def _address(text: str) -> str:
    """HOST:PORT as it was given, if it is one."""
    host, colon, port = text.rpartition(":")
    good = port.isascii() and port.isdigit() and int(port) <= 65535
    if not colon or not good or ":" in host:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HOST:PORT, with a name or an IPv4 address"
        )
    return text


def _file(text: str) -> str:
    """The path of a file that can be written: its directory is there."""
    if not pathlib.Path(text).absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is in no directory that is there")
    return text


def _rate(text: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(text)
        if math.isfinite(value) and value >= 0:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")


def main(argv: list[str] | None = None, platforms: Platforms = PLATFORMS) -> int:
    """Run a simulator until SIGTERM or Ctrl-C.

    :returns: 0, or 1 if it could not start; the reason is on standard error.
    """
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="ibmvirt-sim",
        description="Simulators of IBM hypervisors for OpenStack and other clients.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="platform", required=True)
    modules = {}
    for name, (module_name, text) in platforms.items():
        # A platform is imported only when it is asked for, or to show its help.
        sub = subparsers.add_parser(name, help=text, description=f"Simulate {text}.")
        if name in arguments[:1]:
            modules[name] = importlib.import_module(module_name)
            _common(sub)
            modules[name].add_arguments(sub)
    parsed = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    process.catch_signals(end_with_stdin=parsed.end_with_stdin is not None)
    if parsed.ready_file:
        # Nobody may take the file of an earlier run for this one's.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(parsed.ready_file)
    try:
        return int(modules[parsed.platform].run(parsed))
    except (process.InUse, worldfile.WorldFileError, OSError) as error:
        print(f"ibmvirt-sim {parsed.platform}: {error}", file=sys.stderr)
        return 1
    finally:
        if parsed.end_with_stdin and process.parent_is_gone():
            # Who would have removed it was killed.
            shutil.rmtree(parsed.end_with_stdin, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
