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


"""What verify() says of good and of bad drives, for each kind of guest."""

from __future__ import annotations

import io
import json

import pycdlib
import pytest

from ibmvirt import configdrive
from tests.support import configdrives


def image_of(files, name="cfgdrive.iso", **options) -> io.BytesIO:
    output = io.BytesIO()
    configdrive.build(files, output, **options)
    output.name = name
    return output


def reports(image) -> dict[str, configdrive.GuestReport]:
    return {guest.guest: guest for guest in configdrive.verify(image).guests}


def changed(**changes) -> dict[str, bytes]:
    """The typical drive with files replaced, or left out where None."""
    files = {**configdrives.typical(), **changes.pop("files", {})}
    return {path: data for path, data in files.items() if data is not None}


def foreign(joliet=None, rock_ridge=None, label="config-2", level=3) -> io.BytesIO:
    """A drive of another writer, with fewer trees or other settings."""
    iso = pycdlib.PyCdlib()
    iso.new(
        interchange_level=level, vol_ident=label, joliet=joliet, rock_ridge=rock_ridge
    )

    def names(path):
        rr = {"rr_name": path.rsplit("/", 1)[-1]} if rock_ridge else {}
        return {**rr, **({"joliet_path": path} if joliet else {})}

    for directory in ("/openstack", "/openstack/latest"):
        iso.add_directory(directory.upper(), **names(directory))
    for name, data in (("meta_data.json", b'{"uuid": "1"}'), ("user_data", b"#!")):
        path = f"/openstack/latest/{name}"
        plain = path.upper() + ("" if "." in path else ".") + ";1"
        iso.add_fp(io.BytesIO(data), len(data), plain, **names(path))
    output = io.BytesIO()
    iso.write_fp(output)
    iso.close()
    output.seek(0)
    return output


def test_the_typical_drive_is_good_for_every_guest():
    report = configdrive.verify(image_of(configdrives.typical()))
    assert report.ok
    assert report.problems == ()
    assert [guest.guest for guest in report.guests] == list(configdrive.GUESTS)
    linux = report.guests[0]
    assert linux.view == configdrive.ROCK_RIDGE
    assert linux.notes == ()
    assert linux.found == (
        "openstack/2018-08-27/meta_data.json",
        "openstack/2018-08-27/user_data",
        "openstack/2018-08-27/network_data.json",
        "openstack/2018-08-27/vendor_data.json",
        "openstack/2018-08-27/vendor_data2.json",
        "openstack/content/0000",
        "openstack/content/0001",
    )
    windows = report.guests[1]
    assert windows.view == configdrive.JOLIET
    assert windows.found[0] == "openstack/latest/meta_data.json"


def test_a_report_is_plain_values():
    report = configdrive.verify(image_of(configdrives.typical()))
    values = json.loads(json.dumps(report.to_dict()))
    assert values["ok"] is True
    assert values["label"] == "config-2"
    assert all(guest["ok"] for guest in values["guests"])


def test_only_the_guests_asked_for():
    image = image_of(configdrives.typical())
    report = configdrive.verify(image, ["aix", "zvm"])
    assert [guest.guest for guest in report.guests] == ["aix", "zvm"]
    with pytest.raises(configdrive.ConfigDriveInputError, match="'os2'"):
        configdrive.verify(image, ["os2"])


@pytest.mark.parametrize(
    ("label", "bad"),
    [
        ("config-2", set()),
        ("CONFIG-2", {"zvm"}),
        ("Config-2", {"linux", "zvm"}),
        ("cidata", {"linux", "windows", "zvm"}),
    ],
)
def test_labels(label, bad):
    found = reports(image_of(configdrives.typical(), label=label))
    assert {name for name, guest in found.items() if not guest.ok} == bad
    assert all("label" in found[name].missing[0] for name in bad)


def test_without_metadata_no_guest_is_served():
    found = reports(image_of({"openstack/latest/user_data": b"x"}))
    for guest in found.values():
        assert guest.missing == ("openstack/latest/meta_data.json is not there",)
        assert guest.found == ("openstack/latest/user_data",)


def test_the_newest_version_counts_for_linux_and_latest_for_windows():
    path = "openstack/2018-08-27/meta_data.json"
    found = reports(image_of(changed(files={path: None})))
    assert found["linux"].missing == (f"{path} is not there",)
    assert found["windows"].ok


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000]
)
def test_metadata_that_is_no_json_object(content):
    path = "openstack/latest/meta_data.json"
    found = reports(image_of(changed(files={path: content})))
    assert not found["windows"].ok
    assert path in found["windows"].missing[0]


def test_network_data_may_be_null_but_not_damaged():
    path = "openstack/latest/network_data.json"
    assert reports(image_of(changed(files={path: b"null"})))["windows"].ok
    assert not reports(image_of(changed(files={path: b"nil"})))["windows"].ok


def test_a_file_that_the_metadata_names_and_the_drive_lacks():
    found = reports(image_of(changed(files={"openstack/content/0001": None})))
    for guest in found.values():
        assert guest.missing == (
            "openstack/content/0001 is not there, for the file '/etc/resolv.conf'",
        )


def test_metadata_of_odd_shapes_is_no_failure_of_verify():
    path = "openstack/latest/meta_data.json"
    odd = {"files": [None, {}, {"content_path": 5}], "network_config": "x"}
    found = reports(image_of(changed(files={path: json.dumps(odd)})))
    assert found["windows"].ok
    assert "uuid" in found["windows"].notes[0]


def test_zvm_wants_its_own_file_name():
    files = configdrives.typical()
    assert reports(image_of(files))["zvm"].notes == ()
    assert "cfgdrive.iso" in reports(image_of(files, "/tmp/a.iso"))["zvm"].notes[0]


def test_ibm_i_is_told_of_names_and_label():
    found = reports(image_of(configdrives.typical()))["ibm_i"]
    assert any("EXTMEDFMT" in note for note in found.notes)
    assert any("'config-2'" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "bad"),
    [
        ({"joliet": 3, "rock_ridge": "1.09"}, set()),
        ({"rock_ridge": "1.09"}, {"windows"}),
        ({"joliet": 3}, {"aix", "ibm_i"}),
        ({}, {"windows", "aix", "ibm_i"}),
        ({"joliet": 3, "rock_ridge": "1.09", "label": "CONFIG-2"}, {"zvm"}),
    ],
)
def test_images_of_other_writers(options, bad):
    found = reports(foreign(**options))
    assert {name for name, guest in found.items() if not guest.ok} == bad
    assert found["linux"].found == (
        "openstack/latest/meta_data.json",
        "openstack/latest/user_data",
    )


def test_rock_ridge_1_12_without_serial_numbers_is_noted():
    found = reports(foreign(joliet=3, rock_ridge="1.12"))
    assert any("libarchive" in note for note in found["linux"].notes)
    assert any("1.09" in note for note in found["aix"].notes)
    assert found["linux"].ok


def test_trees_that_differ_are_a_problem():
    output = image_of({"openstack/latest/meta_data.json": b'{"uuid": "1"}', "qq": b"1"})
    data = output.getvalue().replace("qq".encode("utf-16-be"), "zz".encode("utf-16-be"))
    report = configdrive.verify(io.BytesIO(data))
    assert report.problems == (
        "'qq' is not the same in Rock Ridge and Joliet",
        "'zz' is not the same in Rock Ridge and Joliet",
    )
    assert not report.ok


def test_problems_without_number_are_cut_short():
    files = {f"{number:04}": b"" for number in range(200)}
    data = image_of(files).getvalue()
    for path in files:
        data = data.replace(f"NM\x09\x01\0{path}".encode(), b"NM\x09\x01\0same")
    problems = configdrive.verify(io.BytesIO(data)).problems
    assert len(problems) == 51
    assert problems[-1].endswith("more like these")
