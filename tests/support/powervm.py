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

"""A PowerVM backend on a simulator."""

from __future__ import annotations

import contextlib
import tempfile
import types
import urllib.parse

from oslo_config import cfg

from ibmvirt.common import clock
from ibmvirt.powervm import backend, options
from tests.support import driven

IMAGE_BYTES = bytes(range(256)) * 4096


def fault(kind):
    """The effect of a rule: a refusal with a text, or a lost answer or request."""
    if kind == "refuse":
        return {"kind": kind, "status": 500, "message": "HSCL9999 a fault"}
    return {"kind": kind}


class _Later(clock.SystemClock):
    """A day after another clock's time."""

    def __init__(self, former):
        super().__init__()
        self._former = former

    def now(self):
        return self._former.now() + 86400


def forget_images(driven):
    """Remove all images, as ageing does when nobody has used them for long."""
    former = clock.use(_Later(clock.system()))
    try:
        driven.backend.disks.configured.age(frozenset(), 0)
    finally:
        clock.use(former)


@contextlib.contextmanager
def running(simulator, image_cache=None, state=None, **overrides):
    """A started backend; its power state changes are in ``.states``.

    :param image_cache: options of Nova's group of that name.
    :param state: the state path of another, as after a restart; else a new one.
    """
    with contextlib.ExitStack() as stack:
        if state is None:
            temporary = tempfile.TemporaryDirectory(prefix="powervm-driven-")
            state = stack.enter_context(temporary)
        yield stack.enter_context(_running(simulator, image_cache, state, overrides))


@contextlib.contextmanager
def _running(simulator, image_cache, state, overrides):
    system = simulator.systems[0]
    url = urllib.parse.urlsplit(system["url"])
    conf = cfg.ConfigOpts()
    options.register(conf)
    conf([])
    values = {
        "novalink_host": url.hostname,
        "novalink_port": url.port,
        "novalink_protocol": url.scheme,
        "novalink_user": system["username"],
        "novalink_password": system["password"],
        "novalink_ca_file": simulator.ca_file,
        "vios_wait_timeout": 0,
        "local_root": system["local_root"],
        **overrides,
    }
    if "fabrics" in values:
        conf.set_override("fabrics", values.pop("fabrics"), "powervm")
    options.register_fabrics(conf)
    for name, value in values.items():
        conf.set_override(name, value, "powervm")
    # Nova's group of options is one for all configurations of a process.
    ageing = types.SimpleNamespace(
        remove_unused_base_images=True,
        remove_unused_original_minimum_age_seconds=86400,
    )
    vars(ageing).update(image_cache or {})
    made = backend.build(
        conf.powervm, str(state), "127.0.0.1", "compute1.example.com", ageing
    )
    found = driven.Driven(
        made,
        simulator,
        IMAGE_BYTES,
        image={},
        vif={"type": "pvm_sea"},
        mac="fa:16:3e:00",
        drive=b"drive" * 1000,
    )
    found.state_path = state
    try:
        made.host.start(lambda server, state: found.states.append((server, state)))
        yield found
    finally:
        made.host.stop()
