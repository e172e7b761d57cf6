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

"""Performance and Capacity Monitoring: preferences and long term metrics.

A sample is taken every 30 seconds of simulated time (documented: the platform
collects at that pace), when somebody asks. Its counters grow with what each
partition is entitled to and whether it runs. The documents have the shape of
the captures phyp_pcm_data.txt, vios_pcm_data.txt and lpar_pcm_data.txt; the
load is assumed.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import json
import typing
import uuid as uuids
from xml.sax import saxutils

from ibmvirt.simulators.core import calls, http
from ibmvirt.simulators.novalink import atom, samples, store
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import xml

PERIOD = 30.0
_KEEP = 5
_FLAGS = (
    "LongTermMonitorEnabled",
    "AggregationEnabled",
    "ShortTermMonitorEnabled",
    "ComputeLTMEnabled",
)
_TITLE = "Performance and Capacity Monitoring Preferences"
# Simulated time 0 is this moment (UTC).
_EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_NS = (
    f'xmlns="{xml.ATOM}" xmlns:ns2="http://a9.com/-/spec/opensearch/1.1/" '
    'xmlns:ns3="http://www.w3.org/1999/xhtml"'
)


@dataclasses.dataclass(frozen=True)
class Document:
    """One JSON document of a sample."""

    name: str
    category: str
    when: datetime.datetime
    content: bytes


class Metrics:
    """Answers ``pcm/ManagedSystem/{uuid}/...`` of one system."""

    def __init__(self, system: store.System) -> None:
        self._system = system
        self._load = samples.Load(system)
        self._last: int | None = None
        self._kept: collections.deque[list[Document]] = collections.deque(maxlen=_KEEP)
        system.fabric.world.on_reset(self._clear)

    def _clear(self) -> None:
        self._kept.clear()
        self._last = None

    def answer(
        self, request: http.Request, call: calls.Call, parts: list[str]
    ) -> http.Response:
        if parts[:1] != ["ManagedSystem"] or len(parts) < 3:
            raise refuse("unknown_path", path=request.path)
        self._system.get("ManagedSystem", parts[1])
        if parts[2:] == ["preferences"]:
            return self._preferences(request, call)
        if parts[2:4] != ["RawMetrics", "LongTermMonitor"] or len(parts) > 5:
            raise refuse("unknown_path", path=request.path)
        if request.verb != "GET":
            raise refuse("verb", verb=request.verb, path=request.path)
        call.before()
        if len(parts) == 5:
            return self._document(parts[4])
        return self._feed()

    # -- preferences -----------------------------------------------------------

    def _flags(self) -> dict[str, bool]:
        found: dict[str, bool] = self._system.fabric.preferences.get(
            self._system.name, dict.fromkeys(_FLAGS, False)
        )
        return found

    def _preferences(self, request: http.Request, call: calls.Call) -> http.Response:
        if request.verb == "GET":
            call.before()
            return self._shown()
        if request.verb != "POST":
            raise refuse("verb", verb=request.verb, path=request.path)
        posted = xml.parse(request.body(), "ManagedSystemPcmPreference")
        flags = {}
        for name in _FLAGS:
            text = xml.value(posted, name, xml.text_of(self._flags()[name]))
            if text not in ("true", "false"):
                raise refuse("malformed", detail=f"{name} is {text!r}")
            flags[name] = text == "true"
        call.before()
        with self._system.fabric.world.transaction():
            expected = request.headers.get("If-Match")
            if expected is not None and expected != self._element()[1]:
                raise refuse("etag", type="preferences", uuid=self._system.uuid)
            self._system.fabric.preferences[self._system.name] = flags
        call.committed()
        return self._shown()

    def _element(self) -> tuple[bytes, str]:
        system, leaf = self._system, xml.leaf
        flags = self._flags()
        element = xml.node(
            "ManagedSystemPcmPreference",
            leaf("SystemName", system.name, "ROR", ns=xml.PCM),
            xml.node(
                "MachineTypeModelSerialNumber",
                leaf("MachineType", system.machine_type, "ROR", ns=xml.PCM),
                leaf("Model", system.model, "ROR", ns=xml.PCM),
                leaf("SerialNumber", system.serial, "ROR", ns=xml.PCM),
                kb="ROR",
                ns=xml.PCM,
            ),
            *[
                leaf(name, flags[name], "UOD", ns=xml.PCM)
                if name != "ComputeLTMEnabled"
                else leaf(name, flags[name], "UOD", ns=xml.PCM, ksv="V1_1_0")
                for name in _FLAGS
            ],
            leaf(
                "AssociatedManagedSystem",
                None,
                "ROO",
                ns=xml.PCM,
                href=system.url("ManagedSystem", system.uuid),
                rel="related",
            ),
            kb=None,
            ns=xml.PCM,
        )
        xml.stamp(element, system.uuid, 0)
        content = xml.wrap(element)
        return content, groups_.etag(content)

    def _shown(self) -> http.Response:
        content, tag = self._element()
        identity = str(uuids.uuid5(uuids.UUID(self._system.uuid), "preferences"))
        entry = (
            f"<entry><id>{identity}</id><updated>{_stamp(_EPOCH)}</updated>"
            f'<title type="text">{_TITLE}</title>'
            f"<published>{_stamp(_EPOCH)}</published>"
            "<author><name>IBM Power Systems Management Console</name></author>"
            '<content type="application/xml">'
        ).encode() + content
        body = self._wrapped(
            "preferences", _TITLE, [entry + b"</content></entry>"], _EPOCH
        )
        return http.Response(200, body, {**atom.TYPE, "ETag": tag})

    # -- metrics -----------------------------------------------------------------

    def _feed(self) -> http.Response:
        found = self._documents()
        if not found:
            return http.Response(204)
        url = self._url("RawMetrics/LongTermMonitor")
        entries = []
        for document in found:
            identity = uuids.uuid5(uuids.UUID(self._system.uuid), document.name)
            link = saxutils.quoteattr(f"{url}/{document.name}")
            when = _stamp(document.when)
            entries.append(
                (
                    f"<entry><id>{identity}</id><updated>{when}</updated>"
                    f'<title type="text">{document.name}</title>'
                    f"<published>{when}</published>"
                    f'<link type="application/vnd.ibm.powervm.pcm.json" href={link}/>'
                    "<author><name>IBM Power Systems Management Console</name>"
                    f'</author><category term="{document.category}"/></entry>'
                ).encode()
            )
        body = self._wrapped(
            "RawMetrics/LongTermMonitor", "LongTermMetrics", entries, found[0].when
        )
        return http.Response(200, body, atom.TYPE)

    def _document(self, name: str) -> http.Response:
        for document in self._documents():
            if document.name == name:
                kind = {"Content-Type": "application/json"}
                return http.Response(200, document.content, kind)
        raise refuse("not_found", type="metrics", uuid=name)

    def _url(self, path: str) -> str:
        system = self._system
        return f"{system.base_url}/rest/api/pcm/ManagedSystem/{system.uuid}/{path}"

    def _wrapped(
        self, path: str, title: str, entries: list[bytes], when: datetime.datetime
    ) -> bytes:
        head = (
            f"<feed {_NS}><id>{self._system.uuid}</id><updated>{_stamp(when)}</updated>"
            f'<title type="text">{title}</title><subtitle type="text"/>'
            f'<link rel="SELF" href={saxutils.quoteattr(self._url(path))}/>'
            '<generator uri="IBM Power Systems Management Console" version="1"/>'
        )
        return b"".join([head.encode(), *entries, b"</feed>"])

    def _documents(self) -> list[Document]:
        """What is kept, the newest first; with what has come due since."""
        flags = self._flags()
        with self._system.lock:
            if not (flags["LongTermMonitorEnabled"] or flags["ComputeLTMEnabled"]):
                self._clear()
                return []
            now = int(self._system.fabric.instruments.clock.now() // PERIOD)
            if self._last is None:
                # A client compares two samples: the first comes with one before.
                self._last = now - 2
            for number in range(max(self._last + 1, now - _KEEP), now + 1):
                self._kept.appendleft(self._sample(number))
            self._last = now
            return [document for sample in self._kept for document in sample]

    def _sample(self, number: int) -> list[Document]:
        when = _EPOCH + datetime.timedelta(seconds=number * PERIOD)
        text = when.strftime("%Y-%m-%dT%H:%M:%S+0000")
        short = when.strftime("%Y%m%dT%H%M%S+0000")
        system = self._system
        machine = f"{system.machine_type}-{system.model}*{system.serial}"
        made: list[tuple[str, dict[str, typing.Any]]] = self._load.take(
            PERIOD, machine, text, short
        )
        return [
            Document(
                f"LTM_{machine}_{category}_{short}.json",
                category,
                when,
                json.dumps(content).encode(),
            )
            for category, content in made
        ]


def _stamp(when: datetime.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")
