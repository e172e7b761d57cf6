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


"""The command ``ibmvirt-configdrive``."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import os
import pathlib
import signal
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from ibmvirt import __version__
from ibmvirt.configdrive import builder, commands, errors, reader, verification
from ibmvirt.configdrive.views import ISO9660, JOLIET, ROCK_RIDGE

EXIT_FAILED = 1

_EPILOG = """\
exit status:
  0  done
  1  failed; the reason is on standard error, and nothing partial was left
  2  wrong usage
  3  verify: a guest would miss something
"""

_EXAMPLES = """\
examples:
  ibmvirt-configdrive build metadata/ -o drive.iso
  ibmvirt-configdrive build metadata/ -o - | ssh host 'cat > drive.iso'
  ibmvirt-configdrive show drive.iso
  ibmvirt-configdrive extract drive.iso files/
  ibmvirt-configdrive extract drive.iso - openstack/latest/meta_data.json
  ibmvirt-configdrive verify drive.iso --guest linux

"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    arguments = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names may have letters that the terminal has not.
        sys.stdout.reconfigure(errors="backslashreplace")
    with _terminated_as_exception():
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except errors.ConfigDriveError as error:
        if isinstance(error.__cause__, BrokenPipeError):
            return _reader_left()
        print(f"ibmvirt-configdrive: {commands.plain(str(error))}", file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:
        return _reader_left()
    except OSError as error:
        print(f"ibmvirt-configdrive: {commands.plain(str(error))}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _reader_left() -> int:
    # What reads standard output has left, as head does. Python must not try
    # again, and complain, at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_FAILED


@contextlib.contextmanager
def _terminated_as_exception() -> Iterator[None]:
    """Make SIGTERM an exception, so that what is half-written is removed."""

    def terminate(number: int, frame: object) -> NoReturn:
        sys.exit(128 + number)

    try:
        previous = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # only the main thread may set it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ibmvirt-configdrive",
        description=textwrap.fill(
            "Build, show, extract and verify config drives (ISO 9660 images from "
            "which a new server reads its metadata).",
            72,
        ),
        epilog=_EXAMPLES + _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (_add_build, _add_show, _add_extract, _add_verify):
        add(subparsers)
    return parser


def _command(subparsers: Any, name: str, text: str, details: str = "") -> Any:
    about = f"{text[0].upper()}{text[1:]}. {details}"
    command = subparsers.add_parser(
        name,
        help=text,
        # The formatter leaves the examples' lines alone, and so all others.
        description=textwrap.fill(about, 72),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    return command


def _add_build(subparsers: Any) -> None:
    command = _command(
        subparsers,
        "build",
        "make an image of a directory",
        "All plain files below DIR are stored, readable by everybody in the guest; "
        "an image that an earlier build has left there as FILE is not. "
        "The image itself is readable by its owner alone.",
    )
    command.add_argument("directory", metavar="DIR", type=pathlib.Path)
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="the image to write; '-' is standard output",
    )
    command.add_argument(
        "--label", default=builder.LABEL, help="volume label (default: %(default)s)"
    )
    command.add_argument(
        "--publisher",
        default=builder.PUBLISHER,
        help="publisher in the volume descriptor (default: %(default)s)",
    )
    command.add_argument(
        "--time",
        type=_time,
        default=None,
        metavar="TIME",
        help="date everything so, in seconds since 1970 or as 2026-01-31T12:00:00Z; "
        "equal input then gives an equal image (default: the variable "
        "SOURCE_DATE_EPOCH if it is set, or now)",
    )
    command.add_argument(
        "--no-deduplicate",
        action="store_true",
        help="store equal contents more than once",
    )
    _add_quiet(command)
    command.set_defaults(run=commands.build)


def _add_show(subparsers: Any) -> None:
    command = _command(subparsers, "show", "show what an image holds")
    command.add_argument("image", metavar="IMAGE")
    _add_view(command)
    command.set_defaults(run=commands.show)


def _add_extract(subparsers: Any) -> None:
    command = _command(
        subparsers,
        "extract",
        "extract files from an image",
        "Nothing is written outside of DIR, whatever names the image holds, and no "
        "file is replaced.",
    )
    command.add_argument("image", metavar="IMAGE")
    command.add_argument(
        "directory",
        metavar="DIR",
        help="where to; '-' is standard output, for one PATH",
    )
    command.add_argument(
        "paths", metavar="PATH", nargs="*", help="what to extract (default: all)"
    )
    command.add_argument(
        "--limit",
        type=int,
        metavar="BYTES",
        default=reader.DEFAULT_LIMIT,
        help="extract at most so much (default: %(default)s)",
    )
    _add_quiet(command)
    _add_view(command)
    command.set_defaults(run=commands.extract)


def _add_verify(subparsers: Any) -> None:
    command = _command(
        subparsers, "verify", "say what each kind of guest would find, and what not"
    )
    command.add_argument("image", metavar="IMAGE")
    command.add_argument(
        "--guest",
        action="append",
        choices=list(verification.GUESTS),
        help="only this kind of guest; may be given more than once",
    )
    command.set_defaults(run=commands.verify)


def _add_quiet(command: Any) -> None:
    command.add_argument(
        "-q", "--quiet", action="store_true", help="no progress and no summary"
    )


def _add_view(command: Any) -> None:
    command.add_argument(
        "--view",
        choices=(ROCK_RIDGE, JOLIET, ISO9660),
        help="the directory tree to read (default: the first that there is)",
    )


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{text!r} is neither seconds since 1970 nor a date as "
                "2026-01-31T12:00:00Z"
            ) from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return moment.timestamp()


if __name__ == "__main__":
    sys.exit(main())
