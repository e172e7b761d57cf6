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

"""The namespace ``uom``: objects in their groups, jobs, events."""

from __future__ import annotations

import json
import re
import typing
import uuid as uuids

from ibmvirt.simulators.core import calls, http
from ibmvirt.simulators.novalink import (
    address,
    atom,
    events,
    jobs,
    queues,
    store,
    views,
)
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import values, xml

_SEARCH = re.compile(r"^\((\w+)(==|!=)'(.*)'\)$")


class Uom:
    """Answers requests for objects of one system, and for what they do."""

    def __init__(
        self, system: store.System, queue: events.Queue, job_list: jobs.Jobs
    ) -> None:
        self.system = system
        self.queue = queue
        self.jobs = job_list
        self._queues = queues.Queues()

    def answer(
        self, request: http.Request, call: calls.Call, parts: list[str]
    ) -> http.Response:
        """:param parts: of the path behind ``uom``."""
        if parts[0] == "jobs":
            return self._job(request, call, parts[1:])
        if parts[0] == "Event":
            return self._event(request, call)
        if "do" in parts:
            return self._operation(request, call, parts)
        if "quick" in parts:
            return self._quick(request, call, parts)
        if len(parts) == 3 and parts[1] == "search":
            if request.verb != "GET":
                raise refuse("verb", verb=request.verb, path=request.path)
            return self._search(request, call, parts[0], parts[2])
        parent, kind, uuid = address.resolve(self.system, parts)
        noun = base.noun_of(kind)
        groups = views.groups_of(request.query.get("group"), noun)
        if request.verb not in noun.VERBS:
            raise refuse("verb", verb=request.verb, path=request.path)
        if uuid is None:
            if request.verb == "PUT" and parent is not None:
                return self._create(request, call, noun, parent)
            if request.verb == "GET":
                return self._feed(call, noun, parent, groups)
            raise refuse("verb", verb=request.verb, path=request.path)
        if request.verb == "GET":
            return self._get(request, call, noun, uuid, groups)
        if request.verb == "POST":
            return self._update(request, call, noun, uuid, groups)
        if request.verb == "DELETE":
            return self._delete(request, call, noun, uuid)
        raise refuse("verb", verb=request.verb, path=request.path)

    def _rendered(
        self, noun: base.Noun, item: store.SimObject, groups: store.Groups
    ) -> tuple[bytes, str]:
        return views.rendered(self.system, noun, item, groups)

    def _get(
        self,
        request: http.Request,
        call: calls.Call,
        noun: base.Noun,
        uuid: str,
        groups: store.Groups,
    ) -> http.Response:
        call.before()
        item = self.system.get(noun.TYPE, uuid)
        content, tag = self._rendered(noun, item, groups)
        if request.headers.get("If-None-Match") == tag:
            return http.Response(304, b"", {"ETag": tag})
        return self._entry(item, content, tag, request.query.get("group"))

    def _entry(
        self, item: store.SimObject, content: bytes, tag: str, group: str | None
    ) -> http.Response:
        body = atom.entry(item.type, item.uuid, self._href(item, group), content)
        return http.Response(200, body, {**atom.TYPE, "ETag": tag})

    def _href(self, item: store.SimObject, group: str | None) -> str:
        suffix = f"?group={group}" if group is not None else ""
        return self.system.url_of(item) + suffix

    def _feed(
        self,
        call: calls.Call,
        noun: base.Noun,
        parent: store.SimObject | None,
        groups: store.Groups,
    ) -> http.Response:
        call.before()
        members = noun.members(self.system, parent)
        if not members:
            return http.Response(204)
        group = call.record["group"]
        rendered = []
        for item in members:
            content, tag = self._rendered(noun, item, groups)
            href = self._href(item, group)
            rendered.append(
                atom.entry(item.type, item.uuid, href, content, etag=tag, member=True)
            )
        href = self.system.url(noun.TYPE)
        body = atom.feed(str(uuids.uuid4()), href, rendered)
        return http.Response(200, body, atom.TYPE)

    def _body(self, request: http.Request, noun: base.Noun) -> xml.Element:
        posted = xml.parse(request.body(), noun.TYPE)
        values.check(posted)
        views.check_strict(self.system, request, noun, posted)
        return posted

    def _create(
        self,
        request: http.Request,
        call: calls.Call,
        noun: base.Noun,
        parent: store.SimObject,
    ) -> http.Response:
        posted = self._body(request, noun)
        call.before(self._queues.of(parent.key))
        with self.system.fabric.world.transaction():
            # It may have changed, or gone, since the request came.
            parent = self.system.get(parent.type, parent.uuid)
            item = noun.create(self.system, parent, posted)
        call.committed()
        content, tag = self._rendered(noun, item, None)
        return self._entry(item, content, tag, None)

    def _update(
        self,
        request: http.Request,
        call: calls.Call,
        noun: base.Noun,
        uuid: str,
        groups: store.Groups,
    ) -> http.Response:
        posted = self._body(request, noun)
        found = self.system.find(noun.TYPE, uuid)
        if found is not None:
            of_vios = found.parent.startswith(queues.KIND)
            call.before(self._queues.of(found.parent if of_vios else found.key))
        else:
            call.before()
        with self.system.fabric.world.transaction():
            item = self._matching(request, noun, uuid, groups)
            item = noun.update(self.system, item, posted, groups)
        call.committed()
        content, tag = self._rendered(noun, item, groups)
        return self._entry(item, content, tag, request.query.get("group"))

    def _matching(
        self, request: http.Request, noun: base.Noun, uuid: str, groups: store.Groups
    ) -> store.SimObject:
        """The object, if it is still as the client read it (under the lock)."""
        item = self.system.get(noun.TYPE, uuid)
        expected = request.headers.get("If-Match")
        if expected is not None and expected != self._rendered(noun, item, groups)[1]:
            raise refuse("etag", type=noun.TYPE, uuid=uuid)
        return item

    def _delete(
        self, request: http.Request, call: calls.Call, noun: base.Noun, uuid: str
    ) -> http.Response:
        call.before()
        with self.system.fabric.world.transaction():
            # A client has one ETag and DELETE has no groups: not compared.
            noun.delete(self.system, self.system.get(noun.TYPE, uuid))
        call.committed()
        return http.Response(204)

    def _search(
        self, request: http.Request, call: calls.Call, kind: str, text: str
    ) -> http.Response:
        noun = base.noun_of(kind)
        match = _SEARCH.match(text)
        if match is None or match.group(1) not in noun.SEARCH:
            raise refuse("malformed", detail=f"search {text} of {kind}")
        call.before()
        key, sign, wanted = match.groups()
        groups = views.groups_of(request.query.get("group"), noun)
        found = [
            item
            for item in self.system.all(kind)
            if (item.value(key) == wanted) == (sign == "==")
        ]
        if not found:
            return http.Response(204)
        entries = []
        for item in found:
            content, tag = self._rendered(noun, item, groups)
            href = self._href(item, request.query.get("group"))
            entries.append(
                atom.entry(kind, item.uuid, href, content, etag=tag, member=True)
            )
        body = atom.feed(str(uuids.uuid4()), self.system.url(kind), entries)
        return http.Response(200, body, atom.TYPE)

    def _quick(
        self, request: http.Request, call: calls.Call, parts: list[str]
    ) -> http.Response:
        place = parts.index("quick")
        name = parts[place + 1] if len(parts) > place + 1 else None
        if request.verb != "GET" or len(parts) > place + 2:
            raise refuse("verb", verb=request.verb, path=request.path)
        parent, kind, uuid = address.resolve(self.system, parts[:place])
        noun = base.noun_of(kind)
        call.before()
        if uuid is None:
            members = noun.members(self.system, parent)
            value: typing.Any = [noun.quick(self.system, m) for m in members]
        else:
            value = noun.quick(self.system, self.system.get(kind, uuid))
        if name not in (None, "All"):
            several = value if isinstance(value, list) else [value]
            if any(name not in one for one in several):
                raise refuse("unknown_path", path=request.path)
            found = [one[name] for one in several]
            value = found if isinstance(value, list) else found[0]
        body = json.dumps(value).encode()
        return http.Response(200, body, {"Content-Type": "application/json"})

    # -- jobs and events ------------------------------------------------------

    def _operation(
        self, request: http.Request, call: calls.Call, parts: list[str]
    ) -> http.Response:
        if len(parts) == 6:
            # Below a managed system, as some clients write it.
            address.resolve(self.system, parts[:4])
            parts = parts[2:]
        if len(parts) == 3 and parts[1] == "do":
            # Of a type, not of an object: these make one.
            raise refuse("not_supported", operation="/".join(parts))
        if len(parts) != 4 or parts[2] != "do":
            raise refuse("unknown_path", path=request.path)
        kind, uuid, _do, name = parts
        if request.verb == "GET":
            call.before()
            body = self.jobs.template(kind, uuid, name)
            return http.Response(200, body, {**atom.TYPE, "ETag": "0"})
        if request.verb != "PUT":
            raise refuse("verb", verb=request.verb, path=request.path)
        posted = xml.parse(request.body(), "JobRequest")
        views.check_type(self.system, request, "JobRequest")
        call.before()
        job = self.jobs.submit(kind, uuid, name, posted, call)
        call.committed()
        return http.Response(200, self.jobs.render(job), {**atom.TYPE, "ETag": "0"})

    def _job(
        self, request: http.Request, call: calls.Call, parts: list[str]
    ) -> http.Response:
        if not parts:
            raise refuse("unknown_path", path=request.path)
        call.before()
        if request.verb == "POST" and parts[1:] == ["cancel"]:
            self.jobs.cancel(parts[0])
            call.committed()
            return http.Response(204)
        if request.verb == "DELETE":
            self.jobs.delete(parts[0])
            call.committed()
            return http.Response(204)
        if request.verb == "GET":
            body = self.jobs.render(self.jobs.ask(parts[0]))
            return http.Response(200, body, {**atom.TYPE, "ETag": "0"})
        raise refuse("verb", verb=request.verb, path=request.path)

    def _event(self, request: http.Request, call: calls.Call) -> http.Response:
        if request.verb == "PUT":
            posted = xml.parse(request.body(), "Event")
            views.check_type(self.system, request, "Event")
            call.before()
            kind = xml.value(posted, "EventType", events.CUSTOM)
            if kind != events.CUSTOM:
                raise refuse("malformed", detail=f"EventType {kind} of a client")
            data = xml.value(posted, "EventData")
            detail = xml.value(posted, "EventDetail")
            self.queue.add(kind, data, detail)
            call.committed()
            uuid = str(uuids.uuid4())
            body = atom.entry(
                "Event", uuid, self.system.url("Event", uuid), xml.wrap(posted)
            )
            return http.Response(200, body, {**atom.TYPE, "ETag": "0"})
        if request.verb != "GET":
            raise refuse("verb", verb=request.verb, path=request.path)
        client = request.query.get("QUEUE_APPLICATIONID", "")
        if not client:
            raise refuse("malformed", detail="QUEUE_APPLICATIONID is missing")
        call.before()
        found = self.queue.poll(client)
        if not found:
            return http.Response(204)
        entries = [self.queue.render(event) for event in found]
        body = atom.feed(str(uuids.uuid4()), self.system.url("Event"), entries)
        return http.Response(200, body, atom.TYPE)
