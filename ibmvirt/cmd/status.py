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
    return _check(arguments.config_file)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ibmvirt-status",
        description="Checks that a PowerVM system has what the driver needs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    check = commands.add_parser("check", help="look at the system; change nothing")
    check.add_argument(
        "--config-file",
        action="append",
        metavar="FILE",
        help="configuration of nova-compute; may be repeated "
        "(default: where nova-compute looks)",
    )
    return parser


def _check(files: list[str] | None) -> int:
    from oslo_config import cfg

    from ibmvirt.powervm import options, preflight

    conf = cfg.ConfigOpts()
    options.register(conf)
    try:
        conf([], project="nova", default_config_files=files)
        findings = preflight.check(conf.powervm)
    except cfg.Error as error:
        print(f"ibmvirt-status: {error}", file=sys.stderr)
        return EXIT_FAILURE
    for finding in findings:
        print(f"{finding.result:<8} {finding.name}: {finding.detail}")
    results = {finding.result for finding in findings}
    if preflight.FAILURE in results:
        return EXIT_FAILURE
    return EXIT_WARNING if preflight.WARNING in results else 0
