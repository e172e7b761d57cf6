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


"""Writes qcow2 images as qemu-img lays them out, and in worse ways."""

from __future__ import annotations

import struct
import zlib


def build(content, *, bits=16, compress=False, late=False, version=3, **header):
    """An image of ``content``.

    :param late: the clusters lie in the file in reverse order.
    :param header: fields that replace the right ones: backing, crypt,
        features, l1_entries, magic.
    """
    cluster = 1 << bits
    span = cluster // 8
    clusters = [content[i : i + cluster] for i in range(0, len(content), cluster)]
    tables = [clusters[i : i + span] for i in range(0, len(clusters), span)] or [[]]
    # Cluster 0: the header; 1 and 2: references, which nobody reads; 3: L1.
    l1_clusters = max(1, -(-len(tables) * 8 // cluster))
    body = bytearray(cluster * (3 + l1_clusters))
    l1 = []
    for table in tables:
        l1.append(len(body) | 1 << 63)
        at = len(body)
        body += bytes(cluster)
        entries = _clusters(body, table, bits, compress, late)
        struct.pack_into(f">{len(entries)}Q", body, at, *entries)
        body += bytes(-len(body) % cluster)
    struct.pack_into(f">{len(l1)}Q", body, 3 * cluster, *l1)
    struct.pack_into(
        ">4sIQIIQIIQQIIQQQQII", body, 0, header.get("magic", b"QFI\xfb"), version,
        header.get("backing", 0), 0, bits, header.get("size", len(content)),
        header.get("crypt", 0), header.get("l1_entries", len(l1)), 3 * cluster,
        cluster, 1, 0, 0, header.get("features", 0), 0, 0, 4, 104,
    )  # fmt: skip
    return bytes(body)


def _clusters(body, table, bits, compress, late):
    """Append the clusters of one table; the entries that point to them."""
    cluster = 1 << bits
    entries = [0] * len(table)
    numbers = range(len(table))
    for number in reversed(numbers) if late else numbers:
        data = table[number].ljust(cluster, b"\0")
        if not any(data):
            continue
        packer = zlib.compressobj(9, zlib.DEFLATED, -12)
        packed = packer.compress(data) + packer.flush()
        if compress and len(packed) < cluster:
            at = len(body)
            sectors = (at + len(packed) - 1) // 512 - at // 512
            entries[number] = 1 << 62 | sectors << (62 - (bits - 8)) | at
            body += packed
        else:
            body += bytes(-len(body) % cluster)
            entries[number] = len(body) | 1 << 63
            body += data
    return entries
