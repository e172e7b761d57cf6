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


"""What the real client asks for comes out as captured responses have it.

Elements, their order, attributes and groups are compared; texts are not.
"""

from __future__ import annotations

from lxml import etree
from pypowervm import const
from pypowervm.utils import lpar_builder
from pypowervm.wrappers import managed_system as pvm_ms
from pypowervm.wrappers import storage as pvm_stor
from pypowervm.wrappers import virtual_io_server as pvm_vios

from ibmvirt.simulators.novalink.schema import xml
from tests.unit.simulators.novalink import support

SCSI = "VirtualSCSIMappings/VirtualSCSIMapping"
FC = "VirtualFibreChannelMappings/VirtualFibreChannelMapping"


def raw(wrapper) -> etree._Element:
    """The lxml element of a wrapper, as it was served."""
    return wrapper.element.element


def new_lpar(adapter, name="test1", kind="AIX/Linux"):
    machine = pvm_ms.System.get(adapter)[0]
    values = {
        "name": name,
        "env": kind,
        "memory": 1024,
        "vcpu": 2,
        "proc_units": 0.5,
    }
    made = lpar_builder.LPARBuilder(
        adapter, values, lpar_builder.DefaultStandardize(machine)
    ).build()
    return made.create(parent=machine)


def vios_with(adapter, *groups):
    return pvm_vios.VIOS.search(adapter, name="vios1", one_result=True) and next(
        one
        for one in pvm_vios.VIOS.get(adapter, xag=list(groups))
        if one.name == "vios1"
    )


def new_unit(adapter, name="disk1"):
    tier = pvm_stor.Tier.get(adapter)[0]
    return pvm_stor.LUEnt.bld(adapter, name, 1).create(parent=tier)


def volume_group(adapter, name="rootvg"):
    vios = vios_with(adapter, const.XAG.VIO_SMAP)
    groups = pvm_stor.VG.get(adapter, parent=vios)
    return next(group for group in groups if group.name == name)


def add_disk(adapter, name="disk1", base_image=None):
    group = volume_group(adapter)
    disk = pvm_stor.VDisk.bld(adapter, name, 1, base_image=base_image)
    group.virtual_disks.append(disk)
    group = group.update()
    return next(disk for disk in group.virtual_disks if disk.name == name)


def add_medium(adapter, name="cfg.iso"):
    group = volume_group(adapter)
    medium = pvm_stor.VOptMedia.bld(adapter, name, size="0.1")
    group.vmedia_repos[0].optical_media.append(medium)
    group = group.update()
    return next(one for one in group.vmedia_repos[0].optical_media if one.name == name)


def map_storage(adapter, lpar, storage, **options):
    vios = vios_with(adapter, const.XAG.VIO_SMAP)
    mapping = pvm_vios.VSCSIMapping.bld(adapter, None, lpar.uuid, storage, **options)
    vios.scsi_mappings.append(mapping)
    return vios.update()


def mapping_of(path, name, tag):
    """The first captured mapping of that storage, from a file."""
    for entry in support.recorded(name):
        for mapping in xml.findall(entry.element, path):
            complete = xml.find(mapping, "ClientAdapter/ServerLocationCode")
            linked = xml.find(mapping, "AssociatedLogicalPartition")
            if xml.find(mapping, f"Storage/{tag}") is None:
                continue
            if complete is not None and linked is not None:
                return mapping
    raise AssertionError(f"{name} has no mapping of a {tag}")
