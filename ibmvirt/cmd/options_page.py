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


"""``python -m ibmvirt.cmd.options_page``: the options, for the documentation."""

from __future__ import annotations

import sys
import typing

from ibmvirt.powervm import options as powervm
from ibmvirt.zvm import options as zvm

_HEAD = """\
=======
Options
=======

The options of the drivers, in ``nova.conf`` of the compute service. ``tox -e
genconfig`` writes them as a sample file.
"""

# Of the same group and used by the driver, but Nova's own: no option of ours.
_OF_NOVA = {
    "zvm": """
``cloud_connector_url`` (uri, must be set, one of Nova's own)
    Address of the Cloud Connector, such as https://connector.example.com:8080.

``ca_file`` (string, one of Nova's own)
    PEM file with the authorities that the Connector's certificate is verified
    by; the default is the system's store.
"""
}


def page() -> str:
    """The page of the documentation."""
    parts = [_HEAD]
    for group, options in [*powervm.list_opts(), *zvm.list_opts()]:
        title = f"[{group}]"
        parts.append(f"\n{title}\n{'-' * len(title)}\n")
        parts.append(_OF_NOVA.get(str(group), ""))
        parts.extend(_option(option) for option in options)
    return "".join(parts)


def _option(option: typing.Any) -> str:
    facts = [str(option.type).split("(")[0].lower()]
    least, most = (getattr(option.type, name, None) for name in ("min", "max"))
    if least is not None and most is not None:
        facts.append(f"{least} to {most}")
    elif least is not None:
        facts.append(f"at least {least}")
    if option.default is not None:
        facts.append(f"default ``{option.default!r}``")
    if option.secret:
        facts.append("secret")
    text = f"\n``{option.name}`` ({', '.join(facts)})\n    {option.help}\n"
    choices = getattr(option.type, "choices", None) or {}
    for value, meaning in choices.items():
        text += f"\n    * ``{value}``: {meaning}\n" if meaning else ""
    return text


if __name__ == "__main__":
    sys.stdout.write(page())
