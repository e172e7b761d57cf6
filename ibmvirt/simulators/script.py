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

"""The command ``ibmvirt-sim``, as it is installed without the extra too."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; its exit status."""
    try:
        from ibmvirt.simulators import cli

        return cli.main()
    except ModuleNotFoundError as error:
        print(
            f"ibmvirt-sim: the Python module {error.name!r} is not installed: "
            "pip install 'ibmvirt[simulators]'",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
