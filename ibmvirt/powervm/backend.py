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

"""The PowerVM backend put together from the configuration."""

from __future__ import annotations

import typing

from ibmvirt.common import capability
from ibmvirt.powervm import connection as connections
from ibmvirt.powervm import host, lpar_cache, media, storage, writer
from ibmvirt.powervm.disks import ssp
from ibmvirt.powervm.guests import partitions, power
from ibmvirt.powervm.networks import networks
from ibmvirt.powervm.rest import jobs, topology


def build(options: typing.Any, own_ip: str) -> capability.Backend:
    """Make every object; nothing is called until the host starts."""
    connection = connections.Connection(options)
    adapter = connection.adapter
    places = topology.Topology(adapter, options.cluster_name, options.tier_name)
    cache = lpar_cache.LparCache(adapter)
    operations = power.Power(jobs.Jobs(adapter, options.job_timeout), cache)
    writers = writer.Writers(adapter)
    defaults = {
        "proc_units_factor": str(options.proc_units_factor),
        "uncapped_weight": str(options.uncapped_proc_weight),
        "max_io_slots": str(options.maximum_io_slots),
    }
    return capability.Backend(
        name="PowerVM",
        guests=partitions.Partitions(adapter, places, cache, operations, defaults),
        disks=ssp.SharedPool(adapter, places),
        storage=storage.Storage(adapter, places, writers),
        networks=networks.Networks(
            adapter,
            places,
            options.default_switch,
            options.management_switch if options.use_rmc_mgmt_vif else None,
        ),
        media=media.Media(adapter, places),
        host=host.Host(
            connection,
            places,
            cache,
            writers,
            vios_wait=options.vios_wait_timeout,
            own_ip=own_ip,
        ),
        crash_dump=operations,
        hot_plug_networks=True,
        qcow2_images=True,
    )
