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

"""Jobs of a VIOS that find disks and let them go.

The parameters and the shape of the results are documented (pypowervm reads
them); which status answers what is assumed where nothing shows it.
"""

from __future__ import annotations

import re
import xml.sax.saxutils as saxutils

from lxml import etree

from ibmvirt.simulators.novalink import jobs, luns, store
from ibmvirt.simulators.novalink.objects import scsi_mapping
from ibmvirt.simulators.novalink.schema import xml

_IN_USE, _AVAILABLE, _WRONG_ITL, _ITL_ERROR = "1", "3", "6", "8"
# Codes of iscsiadm, as the client knows them (documented).
_ISCSI_OK, _ISCSI_ERROR, _ISCSI_INVALID, _ISCSI_EXISTS = "0", "1", "7", "15"
_ISCSI_NOTHING, _ISCSI_AUTH = "21", "24"
# What RescanVirtualDisk answers for a disk that it does not find.
_VOLUME_NOT_FOUND = "-1"


@jobs.operation("LUARecovery", "VirtualIOServer")
def lua_recovery(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Find a LUN by its initiators, targets and number, or ask for its
    descriptor."""
    text = parameters.get("inputXML", "")
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise jobs.JobFailed(f"VIOS00050 The inputXML is not XML: {error}") from None
    if etree.QName(root).localname == "VIO":
        return (("OutputXML", _inventory(item, root)),)
    device = root.find("deviceList/device")
    if device is None:
        raise jobs.JobFailed("VIOS00051 The inputXML names no device.")
    answers = []
    for itl in device.iter("itl"):
        values = [itl.findtext(tag, "") for tag in ("Iwwpn", "Twwpn", "lua")]
        answers.append(_lun_of(system, item, *values))
    found = {lun.number: lun for lun in answers if lun is not None}
    if len(found) != 1:
        return (("OutputXML", _device(_WRONG_ITL, "", "", "No device was found.")),)
    (lun,) = found.values()
    known = luns.disk_of(item, lun.udid)
    name = luns.configure(system, item, lun)
    status, message = _AVAILABLE, ""
    if known is not None and luns.is_mapped(item, name):
        status, message = _IN_USE, f"{name} is in use."
    elif None in answers:
        status, message = _ITL_ERROR, "The device was found on some of the paths."
    return (("OutputXML", _device(status, name, lun.udid, message)),)


def _lun_of(
    system: store.System, vios: store.SimObject, initiator: str, target: str, lua: str
) -> luns.Lun | None:
    """The LUN of one path, or None if it leads nowhere."""
    own = {
        (port.text or "").upper()
        for port in vios.element.iter(f"{{{xml.UOM}}}WWPN")
        if xml.name(_parent(port)) == "PhysicalFibreChannelPort"
    }
    if initiator.upper() not in own or not re.fullmatch("[0-9A-Fa-f]{13,16}", lua):
        return None
    number = int(lua[:-12] if lua.endswith("0" * 12) else lua[:-8], 16)
    for lun in luns.all_of(system.fabric):
        if not lun.portal and lun.lun == number and target.lower() in lun.targets:
            return lun
    return None


def _parent(element: xml.Element) -> xml.Element:
    parent = element.getparent()
    assert parent is not None
    return parent


def _device(status: str, name: str, udid: str, message: str) -> str:
    text = saxutils.escape
    return (
        "<XML_LIST><general><cmd_version>3</cmd_version><version>2.0</version>"
        "</general><deviceList><device><deviceTag>1</deviceTag>"
        f"<status>{status}</status><pvName>{text(name)}</pvName>"
        f"<udid>{text(udid)}</udid>"
        f"<msg><msgLang>en_US</msgLang><msgText>{text(message)}</msgText></msg>"
        "</device></deviceList></XML_LIST>"
    )


def _inventory(vios: store.SimObject, root: xml.Element) -> str:
    """The descriptors of the volume that a QUERY_INVENTORY filters for."""
    wanted = [
        element.get("udid", "")
        for element in root.iter()
        if isinstance(element.tag, str) and xml.name(element) == "VioUdidFilter"
    ]
    found = ""
    for udid in wanted:
        volume = luns.disk_of(vios, udid)
        if volume is not None:
            name = saxutils.quoteattr(xml.value(volume, "VolumeName"))
            label = saxutils.quoteattr(xml.value(volume, "DescriptorPage83"))
            found += (
                f"<uom:PhysicalVolume_base name={name} udid={saxutils.quoteattr(udid)}"
                f' desType="NAA" descriptor={label}/>'
            )
    return (
        f'<?xml version="1.0"?><uom:VIO xmlns:uom="{xml.UOM}" version="1.21">'
        f"<uom:Response>{found}</uom:Response></uom:VIO>"
    )


@jobs.operation("RemoveDevice", "VirtualIOServer")
def remove_device(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Forget a disk (``devName``)."""
    name = parameters.get("devName", "")
    if luns.named(item, name) is None:
        raise jobs.JobFailed(f"VIOS00052 The device {name} does not exist.")
    if luns.is_mapped(item, name):
        raise jobs.JobFailed(f"VIOS00053 The device {name} is in use.")
    luns.unconfigure(system, item, name)
    return ()


@jobs.operation("RescanVirtualDisk", "VirtualIOServer")
def rescan_virtual_disk(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Let clients of a disk see its new size (``VirtualDiskUDID``)."""
    udid = parameters.get("VirtualDiskUDID", "")
    for mapping in xml.findall(item.element, scsi_mapping.PATH):
        storage = scsi_mapping.storage_of(mapping)
        # Clients give a file by its path.
        if storage is not None and udid in (
            xml.value(storage, "UniqueDeviceID"),
            _path_of(storage),
        ):
            luns.rescan(system, item, udid)
            return ()
    raise jobs.JobFailed(
        f"VIOS00054 No storage {udid} is mapped on {item.value('PartitionName')}.",
        (("RETURN_CODE", _VOLUME_NOT_FOUND),),
    )


def _path_of(storage: xml.Element) -> str:
    is_file = xml.value(storage, "VirtualDiskType") == "File"
    return xml.value(storage, "DiskName") if is_file else ""


# -- iSCSI ------------------------------------------------------------------------


def _list(text: str) -> list[str]:
    """One value, or several as ``[a,b]``."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return [part.strip() for part in text.split(",") if part.strip()]


def _matching(system: store.System, parameters: jobs.Parameters) -> list[luns.Lun]:
    """LUNs of the targets, portals and numbers that a job names."""
    names = _list(parameters.get("targetIQN", ""))
    portals = _list(parameters.get("hostIP", "") or parameters.get("targetPORTAL", ""))
    numbers = _list(parameters.get("targetLUN", ""))
    return [
        lun
        for lun in luns.all_of(system.fabric)
        if lun.portal
        and set(names) & set(lun.targets)
        and (not portals or set(portals) & {lun.portal, lun.portal.split(":")[0]})
        and (not numbers or str(lun.lun) in numbers)
    ]


@jobs.operation("ISCSIDiscovery", "VirtualIOServer")
def iscsi_discovery(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Log in to a target and find its LUN; without parameters, the name of
    the initiator."""
    if not parameters.get("targetIQN"):
        name = f"iqn.1993-08.org.ibmvirt:{system.name}-{item.value('PartitionName')}"
        return (("RETURN_CODE", _ISCSI_OK), ("InitiatorName", name))
    found = _matching(system, parameters)
    if not found:
        return (("RETURN_CODE", _ISCSI_NOTHING), ("DEV_OUTPUT", "[]"))
    lines, code = [], _ISCSI_EXISTS
    for lun in found:
        given = (parameters.get("user", ""), parameters.get("password", ""))
        if lun.user and given != (lun.user, lun.password):
            return (("RETURN_CODE", _ISCSI_AUTH), ("DEV_OUTPUT", "[]"))
        vios = system.get(item.type, item.uuid)
        if luns.disk_of(vios, lun.udid) is None:
            code = _ISCSI_OK
        name = luns.configure(system, vios, lun)
        lines += [f"{target} {name} {lun.udid}" for target in lun.targets]
    return (("RETURN_CODE", code), ("DEV_OUTPUT", str(lines)))


@jobs.operation("ISCSIRemove", "VirtualIOServer")
def iscsi_remove(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Forget the LUNs of a target, and log out of it."""
    if not parameters.get("targetIQN"):
        return (("RETURN_CODE", _ISCSI_INVALID),)
    names = []
    for lun in _matching(system, parameters):
        volume = luns.disk_of(item, lun.udid)
        if volume is not None:
            names.append(xml.value(volume, "VolumeName"))
    if any(luns.is_mapped(item, name) for name in names):
        return (("RETURN_CODE", _ISCSI_ERROR),)
    for name in names:
        luns.unconfigure(system, system.get(item.type, item.uuid), name)
    return (("RETURN_CODE", _ISCSI_OK if names else _ISCSI_NOTHING),)
