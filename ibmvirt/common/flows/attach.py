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

"""Attaching volumes and ports to an existing server."""

from __future__ import annotations

import collections.abc
import typing

from taskflow.patterns import linear_flow

from ibmvirt.common import capability, plan, step

# Keeps the tags of the server's devices in Nova's database.
KeepTags = collections.abc.Callable[[], None]


def volume(
    guest: plan.GuestRef,
    attached: plan.Volume,
    volumes: capability.Volumes,
    keep_tags: KeepTags,
) -> linear_flow.Flow:
    """The flow of attaching a volume; nothing is called until it runs."""

    def detach(result: typing.Any) -> None:
        volumes.detach(guest, attached)

    return _flow(
        "attach a volume",
        step.Step(
            "attach the volume",
            lambda: volumes.attach(guest, attached),
            revert=detach,
        ),
        keep_tags,
    )


def interface(
    guest: plan.GuestRef,
    vif: plan.Vif,
    networks: capability.Networks,
    keep_tags: KeepTags,
) -> linear_flow.Flow:
    """The flow of attaching a port; nothing is called until it runs."""

    def unplug(result: typing.Any) -> None:
        networks.unplug(guest, (vif,))

    return _flow(
        "attach an interface",
        step.Step(
            "plug the network", lambda: networks.plug(guest, (vif,)), revert=unplug
        ),
        keep_tags,
    )


def _flow(name: str, attach: step.Step, keep_tags: KeepTags) -> linear_flow.Flow:
    flow = linear_flow.Flow(name)
    flow.add(attach, step.Step("keep the tags of its devices", keep_tags))
    return flow
