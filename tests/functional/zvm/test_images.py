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


"""Images at the real Connector: looked at, imported once, aged; and disks."""

from __future__ import annotations

import concurrent.futures
import itertools
import pathlib
import threading
import time

import pytest

from ibmvirt.common import exceptions, plan
from ibmvirt.simulators.zvm import imagefile
from ibmvirt.zvm import identity
from ibmvirt.zvm.client import errors
from tests.support import zvm as support

_numbers = itertools.count(1)


@pytest.fixture
def driven(zvm):
    with support.running(zvm) as found:
        fresh(found)
        yield found


def fresh(driven, raw=b""):
    """An image that no other test has used."""
    number = next(_numbers)
    driven.image_id = f"image-{number}-{id(driven):x}"
    driven.source.content = imagefile.write(support.RAW + raw + b"%d" % number)
    return driven.image_id


def name_of(driven, spawn):
    return driven.kept[spawn.server.uuid][identity.KEY]


def imports(driven):
    return len(driven.simulator.journal(key="POST /images"))


def known(driven):
    return {found["imagename"] for found in driven.connector("image_query")}


def changing(driven):
    """Calls since the journal was emptied that change something."""
    found = driven.simulator.journal(layer="rest")
    return [r["key"] for r in found if not r["key"].startswith("GET")]


# -- what is refused ------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(4096),
        b"QFI\xfb\0\0\0\3".ljust(4096),
        imagefile.write(support.RAW)[:40],
        imagefile.write(support.RAW)[:512] + b"not packed",
    ],
    ids=["empty", "zeros", "qcow2", "cut in the header", "not packed"],
)
def test_a_foreign_format_is_refused_before_anything_is_made(driven, content):
    driven.source.content = content
    driven.simulator.admin("DELETE", "journal")
    with pytest.raises(exceptions.InvalidRequest, match=driven.image_id):
        driven.plan()
    assert changing(driven) == []
    assert driven.left() == []


def test_a_flavor_smaller_than_the_image_is_refused_before_anything_is_made(driven):
    driven.source.content = imagefile.write(bytes(3 * imagefile.CYLINDER))
    driven.simulator.admin("DELETE", "journal")
    with pytest.raises(exceptions.InvalidRequest, match="cylinders"):
        driven.plan(root=1)
    assert changing(driven) == []


def test_an_image_of_the_other_disk_type_is_refused_before_anything_is_made(driven):
    driven.source.content = imagefile.write(support.RAW, "FBA")
    driven.simulator.admin("DELETE", "journal")
    with pytest.raises(exceptions.InvalidRequest, match="an FBA disk"):
        driven.plan()
    assert changing(driven) == []


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda content: content[:-100], "cut off"),
        (lambda content: content[:-8] + bytes(8), "broken"),
    ],
)
def test_an_image_that_is_not_whole_is_not_imported(driven, change, shown):
    """Its header is; that the rest is not shows while it is read."""
    driven.simulator.mark()
    driven.source.content = change(driven.source.content)
    with pytest.raises(exceptions.InvalidRequest, match=shown):
        driven.spawn(driven.plan())
    assert driven.image_id not in known(driven)
    assert driven.simulator.compare() == []
    assert driven.left() == []


# -- imported, changed, aged ----------------------------------------------------


def test_an_image_that_is_there_is_not_read_again(driven):
    driven.spawn(driven.plan(1))
    opened = driven.source.opened
    driven.spawn(driven.plan(2))
    assert driven.source.opened == opened
    assert imports(driven) == 1


def test_an_image_that_nova_virt_zvm_imported_is_used_and_never_removed(zvm):
    with support.running(zvm, image_age=0) as driven:
        image = fresh(driven)
        path = pathlib.Path(driven.state_path, "theirs")
        path.write_bytes(driven.source.content)
        driven.connector(
            "image_import", image, f"file://{path}", {"os_version": "rhel9.4"}
        )
        zvm.admin("DELETE", "journal")
        driven.spawn(driven.plan())
        assert imports(driven) == 0
        driven.backend.image_cache.age(frozenset())
        assert image in known(driven)


def test_an_image_that_changed_is_imported_anew(driven):
    driven.spawn(driven.plan(1))
    was = driven.image_id
    fresh(driven, raw=b"other")
    driven.image_id = was
    spawn = driven.plan(2)
    driven.spawn(spawn)
    assert imports(driven) == 2
    disk = driven.simulator.disk(f"{name_of(driven, spawn)}/0100")
    assert disk.startswith(support.RAW + b"other")


def test_an_image_that_was_removed_at_the_connector_is_imported_again(driven):
    driven.spawn(driven.plan(1))
    driven.connector("image_delete", driven.image_id)
    driven.spawn(driven.plan(2))
    assert imports(driven) == 2


def test_an_import_that_fails_is_tried_by_the_next(driven):
    driven.simulator.mark()
    rule = driven.simulator.rule(
        match={"layer": "rest", "key": "POST /images"},
        effect={"kind": "refuse", "status": 500, "message": "no room"},
    )
    with pytest.raises(errors.ConnectorError, match="no room"):
        driven.spawn(driven.plan(1))
    driven.simulator.delete_rule(rule)
    assert driven.simulator.compare() == []
    assert driven.left() == []
    driven.spawn(driven.plan(1))


def test_who_waits_for_anothers_import_can_be_stopped(driven):
    rule = driven.simulator.rule(
        match={"layer": "rest", "key": "POST /images"}, effect={"kind": "hold"}
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(driven.spawn, driven.plan(1))
        assert driven.simulator.wait_parked(rule)
        with (
            driven.operation("spawn", plan.Server("u", "n")) as work,
            pytest.raises(exceptions.Cancelled),
        ):
            work.stop("it is deleted")
            driven.plan(2)
        driven.simulator.delete_rule(rule)
        first.result(60)


def test_ageing_removes_what_we_imported_and_nobody_uses(zvm):
    with support.running(zvm, image_age=0) as driven:
        mine, used = fresh(driven), None
        driven.spawn(driven.plan(1))
        used = fresh(driven)
        driven.spawn(driven.plan(2))
        path = pathlib.Path(driven.state_path, "theirs")
        path.write_bytes(driven.source.content)
        driven.connector(
            "image_import", "theirs", f"file://{path}", {"os_version": "rhel9.4"}
        )
        driven.backend.image_cache.age(frozenset({used}))
        assert mine not in known(driven)
        assert {used, "theirs"} <= known(driven)
        driven.backend.image_cache.age(frozenset())
        assert used not in known(driven)
        driven.connector("image_delete", "theirs")


@pytest.mark.parametrize("age", [None, 3600])
def test_ageing_keeps_what_was_used_or_is_not_to_be_removed(zvm, age):
    with support.running(zvm, image_age=age) as driven:
        image = fresh(driven)
        driven.spawn(driven.plan(1))
        driven.backend.image_cache.age(frozenset())
        assert image in known(driven)


@pytest.mark.parametrize("wanted", [True, False])
def test_ageing_does_not_take_an_image_from_a_build_that_wants_it(zvm, wanted):
    """It was looked at, and is deployed while all old images are removed."""
    with support.running(zvm, image_age=0.5) as driven:
        image = fresh(driven)
        driven.spawn(driven.plan(1))
        (record,) = driven.connector("image_query", imagename=image)
        while time.time() < record["last_access_time"] + 1:
            time.sleep(0.05)
        if wanted:
            driven.plan(2)
        driven.backend.image_cache.age(frozenset())
        assert (image in known(driven)) == wanted


# -- disks ----------------------------------------------------------------------


def disks_of(driven, spawn):
    guest = driven.simulator.guest(name_of(driven, spawn))
    return {disk["vdev"]: disk["size"] for disk in guest["storage"]}


def test_a_root_disk_of_0_has_the_images_size(driven):
    spawn = driven.plan(root=0)
    driven.spawn(spawn)
    _raw, cylinders, _kind = imagefile.read(driven.source.content)
    assert disks_of(driven, spawn) == {"0100": cylinders}


EPHEMERAL = plan.DiskSpec("ephemeral", 0, 100, filesystem="xfs")
SHAPES = {
    "root 0": (0, ()),
    "one ephemeral disk": (2048, (EPHEMERAL,)),
    "swap": (2048, (plan.DiskSpec("swap", 0, 64),)),
    "all": (
        0,
        (
            EPHEMERAL,
            plan.DiskSpec("ephemeral", 1, 50, filesystem="ext4"),
            plan.DiskSpec("swap", 0, 64),
        ),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_guest_has_its_further_disks(driven, shape):
    root, further = SHAPES[shape]
    driven.spawn(driven.plan(9))
    driven.simulator.mark()
    spawn = driven.plan(root=root, further=further)
    driven.spawn(spawn)
    made = disks_of(driven, spawn)
    assert list(made) == [f"{0x100 + n:04X}" for n in range(1 + len(further))]
    guest = driven.simulator.guest(name_of(driven, spawn))
    assert guest["ephemeral"] == list(made)[1:]
    calls = driven.calls("spawn", spawn)
    # One more with further disks; nothing for a root disk of 0.
    assert len(calls) <= 6 + 2 + bool(further), calls
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_a_full_pool_is_told_and_leaves_nothing(driven):
    driven.simulator.mark()
    with pytest.raises(exceptions.OutOfResources):
        driven.spawn(driven.plan(root=800_000))
    assert driven.simulator.compare() == []


# -- a killed service -------------------------------------------------------------


def test_what_a_killed_service_left_on_the_way_is_removed_at_start(zvm):
    with support.running(zvm) as driven:
        fresh(driven)
        rule = zvm.rule(
            match={"layer": "rest", "key": "POST /images"}, effect={"kind": "hold"}
        )
        thread = threading.Thread(target=quietly, args=(driven, driven.plan()))
        thread.start()
        assert zvm.wait_parked(rule)
        while len(support.files(driven)) < 2:
            time.sleep(0.01)
        # The image and the config drive.
        assert {f.stat().st_mode & 0o777 for f in support.files(driven)} == {0o600}
        # Another service on the same state path, as after a kill.
        with support.running(zvm, state=driven.state_path) as restarted:
            assert support.files(restarted) == []
        zvm.delete_rule(rule)
        thread.join(60)


def quietly(driven, spawn):
    try:
        driven.spawn(spawn)
    except exceptions.IBMVirtError as error:
        assert driven.image_id in str(error)  # noqa: PT017
