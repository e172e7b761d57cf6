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

import pathlib
import typing

from ibmvirt.common import capability, statefile
from ibmvirt.powervm import connection as connections
from ibmvirt.powervm import (
    host,
    leftovers,
    local_tools,
    lpar_cache,
    media,
    owners,
    parallel,
    removal,
    scrub,
    snapshot,
    storage,
    writer,
)
from ibmvirt.powervm import options as options_
from ibmvirt.powervm.disks import image_cache
from ibmvirt.powervm.disks import kinds as disk_kinds
from ibmvirt.powervm.guests import identities, partitions, power
from ibmvirt.powervm.networks import networks, physical
from ibmvirt.powervm.rest import jobs, opened, topology, uploads
from ibmvirt.powervm.volumes import (
    base,
    fabrics,
    fibre_channel,
    missed,
    npiv,
    volumes,
    vscsi,
)


def build(
    options: typing.Any,
    state_path: str,
    own_ip: str,
    host_name: str = "",
    image_cache_options: typing.Any = None,
) -> capability.Backend:
    """Make every object; nothing is called until the host starts.

    :param state_path: what outlives the service is kept below it.
    :param image_cache_options: Nova's group ``[image_cache]``; None: images
        stay for ever.
    """
    state = pathlib.Path(state_path) / "powervm"
    connection = connections.Connection(options)
    adapter = connection.adapter
    places = topology.Topology(adapter, options.cluster_name, options.tier_name)
    cache = lpar_cache.LparCache(adapter)
    noted = opened.Opened(adapter, state / "open")
    sender = uploads.Uploads(adapter, noted)
    runner = jobs.Jobs(adapter, options.job_timeout, noted)
    writers = writer.Writers(adapter)
    locks = parallel.Locks()
    known = identities.Identities()
    scrubber = scrub.Scrub(adapter, places, cache, writers)
    kinds = _volume_kinds(
        options, adapter, places, writers, runner, cache, locks, scrubber, host_name
    )
    disks = disk_kinds.build(adapter, places, writers, sender, options)
    repository = media.Repository(
        adapter,
        places,
        writers,
        options.vopt_media_volume_group,
        options.vopt_media_rep_size,
    )
    drives = media.Media(
        repository,
        writers,
        sender,
        options.remove_vopt_media_time if options.remove_vopt_media_on_boot else None,
    )
    operations = power.Power(runner, cache, drives.at_boot)
    removals = removal.Removal(
        adapter,
        places,
        writers,
        disks,
        kinds,
        locks,
        owners.Owners(places, cache.numbers),
        missed.Missed(statefile.Folder(state / "missed")),
    )
    mappings = storage.Storage(
        adapter, places, writers, disks, repository, kinds, locks, removals
    )
    defaults = {
        "proc_units_factor": str(options.proc_units_factor),
        "uncapped_weight": str(options.uncapped_proc_weight),
        "max_io_slots": str(options.maximum_io_slots),
    }
    return capability.Backend(
        name="PowerVM",
        guests=partitions.Partitions(
            adapter, places, cache, operations, defaults, mappings, known
        ),
        disks=disks,
        storage=mappings,
        networks=networks.Networks(
            adapter,
            places,
            options.default_switch,
            options.management_switch if options.use_rmc_mgmt_vif else None,
            options.pvm_vswitch_for_novalink_io,
            physical.Bridges(places, options.bridge_mappings),
            writers.forget,
        ),
        media=drives,
        host=host.Host(
            connection,
            places,
            cache,
            writers,
            vios_wait=options.vios_wait_timeout,
            own_ip=own_ip,
            disk_capacity=disks.configured.capacity,
            disk_cap=options.disk_capacity_gb,
            scrubber=scrubber,
            left_over=leftovers.Leftovers(places, cache, writers, disks, drives),
            noted=noted,
            catch_up=removals.catch_up,
            known=known,
        ),
        volumes=volumes.Volumes(
            adapter,
            mappings,
            removals,
            kinds,
            host=host_name,
            ip=own_ip,
            multipath=options.volume_use_multipath,
        ),
        crash_dump=operations,
        image_cache=(
            image_cache.ImageCache(disks.configured, image_cache_options)
            if image_cache_options is not None
            else None
        ),
        snapshots=snapshot.Snapshots(
            adapter,
            places,
            writers,
            disks,
            local_tools.LocalTools(options.local_root),
        ),
        extend_volumes=True,
        multiattach=True,
        hot_plug_networks=True,
        qcow2_images=True,
    )


def _volume_kinds(
    options: typing.Any,
    adapter: typing.Any,
    places: topology.Topology,
    writers: writer.Writers,
    runner: jobs.Jobs,
    cache: lpar_cache.LparCache,
    locks: parallel.Locks,
    scrubber: scrub.Scrub,
    host_name: str,
) -> dict[str, base.VolumeKind]:
    """The ways to volumes, by protocol.

    :raises InvalidRequest: the fabrics are not configured as NPIV needs them.
    """
    prefer_npiv = options.fc_attach_strategy == "npiv"
    networks: tuple[fabrics.Fabric, ...] = ()
    if prefer_npiv:
        networks = fabrics.of_options(
            options.fabrics, lambda name: options_.fabric_ports(options, name)
        )
    over_npiv = npiv.Npiv(
        adapter,
        places,
        writers,
        runner,
        networks,
        owners.Owners(places, cache.numbers),
        count=options.ports_per_fabric,
        host=host_name,
    )
    over_vscsi = vscsi.Vscsi(
        adapter,
        places,
        runner,
        locks,
        scrubber.one,
        options.vscsi_vios_connections_required,
    )
    kind = fibre_channel.FibreChannel(over_vscsi, over_npiv, prefer_npiv=prefer_npiv)
    return {kind.PROTOCOL: kind}
