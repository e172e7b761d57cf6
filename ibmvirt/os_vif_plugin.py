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

"""An os-vif plug-in without VIF types, for what its loading does.

nova-compute loads every plug-in of the entry point group ``os_vif`` at its
start, before the compute driver. This one installs the name that Nova loads
the drivers by. PowerVM's and z/VM's adapters are the hypervisor's, so there
is nothing for os-vif to plug.
"""

from __future__ import annotations

import typing

from os_vif import plugin
from os_vif.objects import host_info

from ibmvirt import loader

loader.install()


class IBMVirtPlugin(plugin.PluginBase):
    """Plugs nothing."""

    def describe(self) -> host_info.HostPluginInfo:
        return host_info.HostPluginInfo(plugin_name="ibmvirt", vif_info=[])

    def plug(self, vif: typing.Any, instance_info: typing.Any) -> None:
        """Never called: no VIF names this plug-in."""

    def unplug(self, vif: typing.Any, instance_info: typing.Any) -> None:
        """Never called: no VIF names this plug-in."""
