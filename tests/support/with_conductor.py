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


"""``python with_conductor.py SCRIPT ...``: run a console script of Nova.

nova-compute loads its driver once a conductor answers its ping. Messaging of
kind ``fake://`` stays in the process, so something in it must answer. This
file runs in environments that know nothing of the checkout.
"""

from __future__ import annotations

import runpy
import sys

# First of all, as the console script: it decides on native threads.
import nova.cmd.compute  # noqa: F401
import oslo_messaging
from oslo_config import cfg


class Ping:
    """The part of every Nova service that answers pings."""

    target = oslo_messaging.Target(namespace="baseapi", version="1.1")

    def ping(self, _context, arg):
        return {"service": "conductor", "arg": arg}


def main():
    # The configuration that nova fills later: its options are read when the
    # first message comes.
    transport = oslo_messaging.get_rpc_transport(cfg.CONF, "fake://")
    oslo_messaging.get_rpc_server(
        transport,
        oslo_messaging.Target(exchange="nova", topic="conductor", server="here"),
        [Ping()],
    ).start()
    sys.argv[:] = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")


main()
