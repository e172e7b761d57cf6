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

"""A key manager that has certificates in files, where clouds have Barbican.

Nova's ``[key_manager] backend`` names the class.
"""

from __future__ import annotations

import pathlib

import nova.conf
from castellan.common import exception
from castellan.common.objects import x_509


def put(state, identity, certificate):
    """Let the key manager of a small Nova have a certificate, in DER."""
    directory = pathlib.Path(state, "keys")
    directory.mkdir(exist_ok=True)
    (directory / identity).write_bytes(certificate)


class Certificates:
    """``state_path/keys`` as a key manager; nothing else is stored."""

    def __init__(self, configuration=None):
        self._directory = pathlib.Path(nova.conf.CONF.state_path, "keys")

    def get(self, _context, managed_object_id):
        path = self._directory / managed_object_id
        if not path.exists():
            raise exception.ManagedObjectNotFoundError(uuid=managed_object_id)
        return x_509.X509(path.read_bytes())
