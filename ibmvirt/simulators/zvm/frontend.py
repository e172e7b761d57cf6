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

"""The program that stands for sudo, vmcp and so on: it hands its command line
to the daemon.

One is started for every command that the Connector executes, some sixty in the
life of a guest: so it is a text of Perl, which starts in a sixth of Python's
time, and of Python where there is no Perl.
"""

from __future__ import annotations

import collections.abc
import shlex
import shutil
import socket
import subprocess
import sys

# The longest first line that every Linux takes.
_SHEBANG = 127
# Of the Connector's tools fdisk alone reads its standard input.
_PYTHON = """import sys
from posix import getcwd, read, write, _exit
from _socket import socket, AF_UNIX, SOCK_STREAM, SHUT_WR
words = [sys.argv[0].rpartition("/")[2], *sys.argv[1:]]
said = b""
if any(word.endswith("fdisk") for word in words[:2]):
    while piece := read(0, 65536):
        said += piece
frame = [{member!r}, getcwd(), *words]
frame = b"C%d\\n" % len(frame) + b"\\0".join(
    word.encode("utf-8", "surrogateescape") for word in frame) + b"\\0" + said
s = socket(AF_UNIX, SOCK_STREAM)
s.connect({path!r})
while frame:
    frame = frame[s.send(frame):]
s.shutdown(SHUT_WR)
answer = b""
while piece := s.recv(65536):
    answer += piece
head, _, rest = answer.partition(b"\\n")
if not head:
    _exit(125)
code, size = head.split()
for number, text in (1, rest[:int(size)]), (2, rest[int(size):]):
    while text:
        text = text[write(number, text):]
_exit(int(code))
"""
# The same without any module: each would cost as much as Perl itself.
_PERL = """$SIG{{PIPE}} = 'IGNORE';
my @words = ($0 =~ m{{([^/]*)$}}, @ARGV);
my $said = '';
if (grep {{ /fdisk$/ }} @words[0 .. (@words > 1)]) {{
    1 while sysread STDIN, $said, 65536, length $said;
}}
my @frame = ({member}, readlink '/proc/self/cwd', @words);
my $frame = 'C' . @frame . "\\n" . join('', map {{ "$_\\0" }} @frame) . $said;
socket my $s, {family}, {kind}, 0 or exit 125;
connect $s, pack('S Z*', {family}, {path}) or exit 125;
while (length $frame) {{
    my $sent = syswrite $s, $frame or exit 125;
    substr $frame, 0, $sent, '';
}}
shutdown $s, 1;
my $answer = '';
1 while sysread $s, $answer, 65536, length $answer;
my ($code, $size, $rest) = $answer =~ /\\A(\\d+) (\\d+)\\n(.*)\\z/s or exit 125;
for ([*STDOUT, substr $rest, 0, $size], [*STDERR, substr $rest, $size]) {{
    my ($to, $text) = @$_;
    while (length $text) {{
        my $written = syswrite $to, $text or exit 125;
        substr $text, 0, $written, '';
    }}
}}
exit $code;
"""


def python(path: str, member: str, interpreter: str = sys.executable) -> str:
    """The text of the program in Python.

    :param path: of the daemon's socket.
    """
    first = f"#!{interpreter} -ISE\n"
    if len(first) > _SHEBANG or " " in interpreter:
        # What no shebang can say: a shell that is Python's text, too.
        name = shlex.quote(interpreter)
        first = f"#!/bin/sh\n'''exec' {name} -ISE \"$0\" \"$@\"\n' '''\n"
    return first + _PYTHON.format(path=path, member=member)


def perl(path: str, member: str, interpreter: str) -> str:
    """The text of the program in Perl.

    :param path: of the daemon's socket.
    """
    return f"#!{interpreter}\n" + _PERL.format(
        path=_quoted(path),
        member=_quoted(member),
        family=int(socket.AF_UNIX),
        kind=int(socket.SOCK_STREAM),
    )


def _quoted(text: str) -> str:
    """A literal of Perl."""
    inner = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{inner}'"


def text(path: str, member: str) -> str:
    """The smallest program that runs on this machine."""
    found = shutil.which("perl")
    if found is None or len(found) > _SHEBANG - 3 or " " in found or not _runs(found):
        return python(path, member)
    return perl(path, member, found)


def _runs(found: str) -> bool:
    """Whether it is a Perl that starts."""
    try:
        ended = subprocess.run(
            [found, "-e", "exit 7"], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 7


def environment(
    former: collections.abc.Mapping[str, str],
) -> dict[str, str]:
    """An environment in which it starts as quickly and silently as it can.

    Without modules and encodings that a user asks Perl for, and without its
    warning of a locale that this machine does not have.
    """
    kept = {name: value for name, value in former.items() if name[:4] != "PERL"}
    return {**kept, "PERL_BADLANG": "0"}
