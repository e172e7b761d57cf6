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

"""Atom documents of the API: entries, feeds, errors.

No XML declaration, {UOM}etag in members of a feed, and a SELF link that
carries ``?group=``: the client depends on all three (documented).
"""

from __future__ import annotations

import uuid as uuids
from xml.sax import saxutils

from ibmvirt.simulators.novalink import refusals
from ibmvirt.simulators.novalink.schema import xml

_NS = (
    f'xmlns="{xml.ATOM}" xmlns:ns2="http://a9.com/-/spec/opensearch/1.1/" '
    'xmlns:ns3="http://www.w3.org/1999/xhtml"'
)
_AUTHOR = "<author><name>IBM Power Systems Management Console</name></author>"
_DATE = "2026-01-01T00:00:00.000Z"
TYPE = {"Content-Type": "application/atom+xml"}


def entry(
    kind: str,
    uuid: str,
    href: str,
    content: bytes,
    *,
    etag: str | None = None,
    space: str = "uom",
    member: bool = False,
) -> bytes:
    """One object; ``etag`` is written only into a member of a feed."""
    tag = (
        f'<etag:etag xmlns:etag="{xml.UOM}" xmlns="{xml.UOM}">{etag}</etag:etag>'
        if etag is not None and member
        else ""
    )
    head = (
        f"<entry{'' if member else ' ' + _NS}><id>{uuid}</id><title>{kind}</title>"
        f"<published>{_DATE}</published>"
        f'<link rel="SELF" href={saxutils.quoteattr(href)}/>{_AUTHOR}{tag}'
        f'<content type="application/vnd.ibm.powervm.{space}+xml; type={kind}">'
    )
    return b"".join([head.encode(), content, b"</content></entry>"])


def feed(uuid: str, href: str, members: list[bytes]) -> bytes:
    head = (
        f"<feed {_NS}><id>{uuid}</id><updated>{_DATE}</updated>"
        f'<link rel="SELF" href={saxutils.quoteattr(href)}/>'
        "<generator>IBM Power Systems Management Console</generator>"
    )
    return b"".join([head.encode(), *members, b"</feed>"])


def error(refusal: refusals.Refusal, uri: str) -> bytes:
    """An HttpErrorResponse (captured: fake_httperror.txt)."""
    leaf = xml.leaf
    body = xml.node(
        "HttpErrorResponse",
        leaf("HTTPStatus", refusal.status, "ROR", ns=xml.WEB),
        leaf("RequestURI", uri, "ROR", ns=xml.WEB),
        leaf("ReasonCode", refusal.reason, "ROR", ns=xml.WEB),
        leaf("Message", refusal.message, "ROO", ns=xml.WEB),
        leaf("RequestBody", None, "ROO", ns=xml.WEB),
        kb=None,
        ns=xml.WEB,
    )
    return entry(
        "HttpErrorResponse", str(uuids.uuid4()), uri, xml.wrap(body), space="web"
    )
