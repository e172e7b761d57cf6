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


"""What values of elements can be: the flags, numbers and words that clients send.

An empty element is one that is not given. Names, links and ids are the nouns'
own to judge.
"""

from __future__ import annotations

import math
import re

from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

# Captured: these are true or false everywhere.
_FLAGS = frozenset(
    {
        "ActiveMemoryExpansionEnabled",
        "ActiveMemorySharingEnabled",
        "AllowPerformanceDataCollection",
        "AvailableForUsage",
        "Enabled",
        "FailoverEnabled",
        "HasDedicatedProcessors",
        "HasDedicatedProcessorsForMigration",
        "InUse",
        "IsConnectionMonitoringEnabled",
        "IsPrimary",
        "IsRedundantErrorPathReportingEnabled",
        "IsServicePartition",
        "IsTimeReferencePartition",
        "IsVirtualTrustedPlatformModuleEnabled",
        "JumboFramesEnabled",
        "LargeSend",
        "LoadBalancingEnabled",
        "QualityOfServicePriorityEnabled",
        "RedundantErrorPathReportingEnabled",
        "RemoteRestartCapable",
        "RequiredAdapter",
        "SharedMemoryEnabled",
        "SimplifiedRemoteRestartCapable",
        "SuspendCapable",
        "TaggedVLANSupported",
        "ThinDevice",
        "ThreadModeEnabled",
        "UseNextAvailableHighSlotID",
        "UseNextAvailableSlotID",
        "VariedOn",
    }
)
# Captured that these are numbers; the limits are assumed where an element of
# the platform does not tell them.
_NUMBERS: dict[str, tuple[float, float]] = {
    "AvailabilityPriority": (0, 255),
    "ControlChannelID": (0, 4094),
    "DesiredHugePageCount": (0, math.inf),
    "DesiredMemory": (0, math.inf),
    "DesiredProcessingUnits": (0, math.inf),
    "DesiredProcessors": (0, math.inf),
    "DesiredVirtualProcessors": (0, math.inf),
    "DiskCapacity": (0, math.inf),
    "ExpansionFactor": (0, 10),
    "HardwarePageTableRatio": (0, 16),
    "MaximumHugePageCount": (0, math.inf),
    "MaximumMemory": (0, math.inf),
    "MaximumProcessingUnits": (0, math.inf),
    "MaximumProcessors": (0, math.inf),
    "MaximumVirtualIOSlots": (2, 65535),
    "MaximumVirtualProcessors": (0, math.inf),
    "MinimumHugePageCount": (0, math.inf),
    "MinimumMemory": (0, math.inf),
    "MinimumProcessingUnits": (0, math.inf),
    "MinimumProcessors": (0, math.inf),
    "MinimumVirtualProcessors": (0, math.inf),
    "PartitionID": (1, 65535),
    "QueueSize": (1, 65536),
    "RepositorySize": (0, math.inf),
    "SharedProcessorPoolID": (0, 63),
    "Size": (0, math.inf),
    "SwitchID": (0, 255),
    "TrunkPriority": (1, 15),
    "UncappedWeight": (0, 255),
    "UnitCapacity": (0, math.inf),
    "VirtualSlotNumber": (0, 65535),
}
# The rest of the numbers are whole.
_FRACTIONS = frozenset(
    {
        "DesiredMemory",
        "DesiredProcessingUnits",
        "DiskCapacity",
        "ExpansionFactor",
        "MaximumMemory",
        "MaximumProcessingUnits",
        "MinimumMemory",
        "MinimumProcessingUnits",
        "RepositorySize",
        "Size",
        "UnitCapacity",
    }
)
# Documented: the enumerations of pypowervm, and captured values.
_WORDS: dict[str, frozenset[str]] = {
    "BootMode": frozenset(
        {
            "Normal",
            "System_Management_Services",
            "Diagnostic_With_Default_Boot_List",
            "Diagnostic_With_Stored_Boot_List",
            "Open_Firmware",
            "Petitboot",
            "Unavailable",
            "Default",
            "Unknown",
        }
    ),
    "HighAvailabilityMode": frozenset({"auto", "sharing", "disabled"}),
    "KeylockPosition": frozenset({"manual", "normal", "unknown"}),
    "LogicalUnitType": frozenset({"VirtualIO_Disk", "VirtualIO_Image"}),
    "MountType": frozenset({"ro", "rw"}),
    "SharingMode": frozenset(
        {
            "capped",
            "uncapped",
            "keep idle procs",
            "sre idle proces",
            "sre idle procs active",
            "sre idle procs always",
            "Unknown",
        }
    ),
    "SwitchMode": frozenset({"Veb", "Vepa"}),
}
_WHOLE = re.compile("[0-9]{1,18}")
_FRACTION = re.compile("[0-9]{1,18}([.][0-9]*)?")
_CHECKED = _FLAGS | _NUMBERS.keys() | _WORDS.keys()


def check(posted: xml.Element) -> None:
    """:raises Refusal: a value cannot be; the text names the element."""
    prefix = f"{{{xml.UOM}}}"
    for element in posted.iter(*(prefix + name for name in _CHECKED)):
        text = (element.text or "").strip()
        name = xml.name(element)
        if text and (wanted := _wanted(name, text)):
            parent = element.getparent()
            home = "" if parent is None else f" of {xml.name(parent)}"
            raise refuse("malformed", detail=f"{name}{home} {text!r} is not {wanted}")


def _wanted(name: str, text: str) -> str:
    """What the element must be, or '' if it is that."""
    if name in _FLAGS:
        return "" if text in ("true", "false") else "true or false"
    if name in _WORDS:
        return "" if text in _WORDS[name] else f"one of {sorted(_WORDS[name])}"
    least, most = _NUMBERS[name]
    form = _FRACTION if name in _FRACTIONS else _WHOLE
    if form.fullmatch(text) and least <= float(text) <= most:
        return ""
    kind = "a number" if name in _FRACTIONS else "a whole number"
    limit = f"at least {least:g}" if most == math.inf else f"{least:g} to {most:g}"
    return f"{kind}, {limit}"
