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


"""Snapshots through the management partition, and what is left of them."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import pathlib
import threading

import pytest
from pypowervm.wrappers import storage, virtual_io_server

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm.disks import localdisk
from tests.support import powervm

LOCAL = {"disk_driver": "localdisk", "volume_group_name": "datavg"}
KINDS = pytest.mark.parametrize("options", [{}, LOCAL], ids=["ssp", "localdisk"])
GB = 1 << 30


@pytest.fixture(autouse=True)
def _fast(fast_clock):
    """A disk that does not appear is waited for five minutes."""


def small(driven, number=1):
    """A server with a root disk of 1 GB."""
    spawn = driven.plan(number)
    disks = (plan.DiskSpec("root", 0, 1024, image=spawn.image),)
    return dataclasses.replace(
        spawn, guest=dataclasses.replace(spawn.guest, disks=disks)
    )


def capture(driven, spawn, read=lambda captured: captured.stream.read(1 << 20)):
    server = driven.server(spawn)
    with (
        driven.operation("snapshot", server),
        driven.backend.snapshots.open(server, driven.guest(spawn)) as captured,
    ):
        return read(captured)


def digest(captured):
    found = hashlib.blake2b()
    total = 0
    while piece := captured.stream.read(1 << 20):
        found.update(piece)
        total += len(piece)
    assert total == captured.size == GB
    return found.hexdigest()


@functools.cache
def expected():
    found = hashlib.blake2b(powervm.IMAGE_BYTES)
    rest = GB - len(powervm.IMAGE_BYTES)
    zeros = bytes(1 << 20)
    for _ in range(rest // len(zeros)):
        found.update(zeros)
    found.update(bytes(rest % len(zeros)))
    return found.hexdigest()


def left(novalink, driven):
    """Mappings to the management partition, and copies of disks."""
    adapter = driven.backend.disks.configured._adapter
    vioses = virtual_io_server.VIOS.get(adapter, xag=["ViosSCSIMapping"])
    mapped = [
        mapping.backing_storage.name
        for vios in vioses
        for mapping in vios.scsi_mappings
        if mapping.client_adapter is not None and mapping.client_adapter.lpar_id == 1
    ]
    copies = [
        disk.name
        for vios in virtual_io_server.VIOS.get(adapter)
        for group in storage.VG.get(adapter, parent=vios)
        for disk in group.virtual_disks
        if disk.name.startswith("c_")
    ]
    root = pathlib.Path(novalink.systems[0]["local_root"])
    return mapped, copies, list((root / "dev/disk/by-id").iterdir())


NOTHING = ([], [], [])


@KINDS
@pytest.mark.parametrize("running", [True, False])
def test_the_bytes_are_those_of_the_disk(novalink, options, running):
    with powervm.running(novalink, **options) as driven:
        spawn = small(driven)
        driven.spawn(spawn)
        if not running:
            guests = driven.backend.guests
            guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
        novalink.mark("before")
        assert capture(driven, spawn, digest) == expected()
        assert novalink.compare("before") == []
        assert left(novalink, driven) == NOTHING
        # And once more, with whatever the first one left behind.
        assert capture(driven, spawn) == powervm.IMAGE_BYTES
        state = "running" if running else "not activated"
        assert novalink.guest(spawn.server.name)["state"] == state


@KINDS
def test_an_upload_that_fails_leaves_nothing(novalink, options):
    with powervm.running(novalink, **options) as driven:
        spawn = small(driven)
        driven.spawn(spawn)
        novalink.mark("before")

        def fails(captured):
            captured.stream.read(4096)
            raise exceptions.ImageTransferFailed("upload the image", "no room")

        with pytest.raises(exceptions.ImageTransferFailed):
            capture(driven, spawn, fails)
        assert novalink.compare("before") == []
        assert left(novalink, driven) == NOTHING


@KINDS
def test_several_at_once_do_not_disturb_one_another(novalink, options):
    with powervm.running(novalink, **options) as driven:
        plans = [small(driven, number) for number in range(1, 7)]
        for spawn in plans:
            driven.spawn(spawn)
        start = threading.Barrier(len(plans), timeout=30)

        def run(spawn):
            start.wait()
            if spawn is plans[0]:
                driven.destroy(spawn)
                return powervm.IMAGE_BYTES
            return capture(driven, spawn)

        with concurrent.futures.ThreadPoolExecutor(len(plans)) as pool:
            assert set(pool.map(run, plans)) == {powervm.IMAGE_BYTES}
        assert left(novalink, driven) == NOTHING
        assert [r["key"] for r in novalink.journal() if r["status"] == 412] == []
        for spawn in plans[1:]:
            driven.destroy(spawn)
        powervm.forget_images(driven)
        assert novalink.compare() == []


def test_a_server_that_is_destroyed_meanwhile_ends_its_snapshot(novalink):
    with powervm.running(novalink) as driven:
        spawn = small(driven)
        driven.spawn(spawn)

        def destroyed(captured):
            captured.stream.read(4096)
            driven.destroy(spawn)

        capture(driven, spawn, destroyed)
        assert left(novalink, driven) == NOTHING
        assert novalink.compare() == []


def test_elsewhere_than_on_novalink_it_is_refused_before_anything(novalink, tmp_path):
    with powervm.running(novalink, local_root=str(tmp_path)) as driven:
        spawn = small(driven)
        driven.spawn(spawn)
        novalink.mark("before")
        novalink.admin("DELETE", "journal")
        with pytest.raises(
            exceptions.HypervisorError,
            match=r"runs on no partition.*NovaLink partition",
        ):
            capture(driven, spawn)
        assert novalink.compare("before") == []
        assert driven.calls("snapshot", spawn) == []


def test_a_disk_that_does_not_appear_is_named_and_unmapped(novalink, tmp_path):
    proc = tmp_path / "proc/ppc64"
    proc.mkdir(parents=True)
    (proc / "lparcfg").write_text("partition_id=1\n")
    (tmp_path / "dev/disk/by-id").mkdir(parents=True)
    with powervm.running(novalink, local_root=str(tmp_path)) as driven:
        spawn = small(driven)
        driven.spawn(spawn)
        novalink.mark("before")
        with pytest.raises(exceptions.HypervisorError, match="did not appear in 300"):
            capture(driven, spawn)
        assert novalink.compare("before") == []


def test_a_server_without_a_disk_of_its_own_is_refused(novalink):
    with powervm.running(novalink) as driven:
        spawn = small(driven)
        driven.spawn(
            dataclasses.replace(
                spawn, image=None, guest=dataclasses.replace(spawn.guest, disks=())
            )
        )
        with pytest.raises(exceptions.HypervisorError, match="boots from a volume"):
            capture(driven, spawn)


def test_a_stop_in_the_middle_is_obeyed(novalink):
    with powervm.running(novalink) as driven:
        spawn = small(driven)
        driven.spawn(spawn)
        novalink.mark("before")
        server = driven.server(spawn)

        with driven.operation("snapshot", server) as work:
            opened = driven.backend.snapshots.open(server, driven.guest(spawn))
            with pytest.raises(exceptions.Cancelled), opened as captured:
                captured.stream.read(1 << 20)
                work.stop("the server is being deleted")
                captured.stream.read(1 << 20)
        assert novalink.compare("before") == []


def cells(novalink, options):
    novalink.reset("clean")
    with powervm.running(novalink, **options) as driven:
        spawn = small(driven)
        driven.spawn(spawn)
        capture(driven, spawn)
        records = novalink.journal(memento=f"snapshot:{spawn.server.uuid}")
    return [(record["key"], record["occurrence"]) for record in records]


@KINDS
def test_after_a_lasting_fault_the_next_snapshot_tidies(novalink, options):
    """From each call on, every further one of that kind is refused."""
    for key, occurrence in cells(novalink, options):
        novalink.reset("clean")
        with powervm.running(novalink, **options) as driven:
            spawn = small(driven)
            driven.spawn(spawn)
            novalink.mark("before")
            novalink.rule(
                match={"key": key, "memento": f"snapshot:{spawn.server.uuid}"},
                skip=occurrence - 1,
                count=None,
                effect={"kind": "refuse", "status": 500, "message": "HSCL9999"},
            )
            with contextlib.suppress(exceptions.IBMVirtError):
                assert capture(driven, spawn) == powervm.IMAGE_BYTES
            novalink.delete_rule()
            assert capture(driven, spawn) == powervm.IMAGE_BYTES
            assert novalink.compare("before") == [], (key, occurrence)
            assert left(novalink, driven) == NOTHING


@KINDS
def test_destroy_takes_away_what_a_killed_snapshot_left(novalink, options):
    with powervm.running(novalink, **options) as driven:
        novalink.mark("before")
        spawn = small(driven)
        driven.spawn(spawn)
        match = {"memento": f"snapshot:{spawn.server.uuid}"}

        def killed(captured):
            # From here on its process makes no call.
            novalink.rule(
                match=match, count=None, effect={"kind": "refuse", "status": 500}
            )

        capture(driven, spawn, killed)
        assert left(novalink, driven) != NOTHING
        novalink.delete_rule()
    with powervm.running(novalink, **options) as driven:
        driven.destroy(spawn)
        assert left(novalink, driven) == NOTHING
        powervm.forget_images(driven)
        assert novalink.compare("before") == []


@KINDS
def test_a_start_takes_away_what_a_killed_snapshot_left(novalink, options):
    with powervm.running(novalink, **options) as driven:
        spawn = small(driven)
        driven.spawn(spawn)
        match = {"memento": f"snapshot:{spawn.server.uuid}"}

        def killed(captured):
            novalink.rule(
                match=match, count=None, effect={"kind": "refuse", "status": 500}
            )

        novalink.mark("before")
        capture(driven, spawn, killed)
        novalink.delete_rule()
    with powervm.running(novalink, **options) as driven:
        mapped, copies, links = left(novalink, driven)
        assert (mapped, links) == ([], [])
        # The copy goes with the images that nobody uses.
        assert len(copies) == (1 if options else 0)
        driven.backend.image_cache.age(frozenset((spawn.image.id,)))
        assert left(novalink, driven) == NOTHING
        assert novalink.compare("before") == []
        assert capture(driven, spawn) == powervm.IMAGE_BYTES


def test_a_start_leaves_the_management_partitions_own_disks(novalink):
    with powervm.running(novalink) as driven:
        pool = driven.backend.disks.configured._units
        pool.put_disk("boot_novalink_00000000", 1)
        unit = pool.named("boot_novalink_00000000")
        adapter = driven.backend.disks.configured._adapter
        (vios,) = (
            found
            for found in virtual_io_server.VIOS.get(adapter, xag=["ViosSCSIMapping"])
            if found.name == "vios2"
        )
        (management,) = (
            found.uuid
            for found in virtual_io_server.VIOS.get(adapter)
            if found.is_mgmt_partition
        )
        element = storage.LU.bld_ref(adapter, unit.name, unit.udid)
        vios.scsi_mappings.append(
            virtual_io_server.VSCSIMapping.bld(adapter, None, management, element)
        )
        vios.update()
    novalink.mark("before")
    with powervm.running(novalink):
        assert novalink.compare("before") == []


def test_a_stale_copy_is_not_taken_for_the_disk(novalink):
    options = {**LOCAL, "volume_group_vios_name": "vios2"}
    with powervm.running(novalink, **options) as driven:
        spawn = small(driven)
        driven.spawn(spawn)
        local = driven.backend.disks.configured
        (home,) = local.groups()
        name = localdisk.copy_name(spawn.server.uuid)
        group = local._read(home)
        group.virtual_disks.append(storage.VDisk.bld(group.adapter, name, 1))
        group.update()
        assert capture(driven, spawn) == powervm.IMAGE_BYTES
        assert left(novalink, driven) == NOTHING
