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


"""What real readers see on our images, and on those of genisoimage.

The tests run with the tools that the machine has; a test names the others.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import warnings

import pytest

from ibmvirt import configdrive
from tests.support import cloudinit, configdrives

DRIVES = {"typical": configdrives.typical, "odd": configdrives.odd}
PUBLISHER = "OpenStack Nova 34.0.0"


def run(*command: str | pathlib.Path) -> str:
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        timeout=120,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
    )
    return done.stdout.decode("utf-8", "replace")


def found(tool: str) -> bool:
    return shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin") is not None


# Tools that extract a whole image.
EXTRACTORS = {
    "bsdtar": lambda image, to: run("bsdtar", "-xf", image, "-C", to),
    "bsdtar, Joliet": lambda image, to: run(
        "bsdtar", "-xf", image, "-C", to, "--options", "!rockridge"
    ),
    "7z": lambda image, to: run("7z", "x", "-y", f"-o{to}", image),
    "xorriso": lambda image, to: run(
        "xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", to
    ),
    "isoinfo": lambda image, to: extract_with_isoinfo(image, to, "-R"),
}


def extract_with_isoinfo(image, to, view):
    for path in run("isoinfo", "-f", view, "-i", image).splitlines():
        target = to / path.lstrip("/")
        data = subprocess.run(
            ["isoinfo", view, "-i", image, "-x", path], capture_output=True, timeout=60
        ).stdout
        if not data and is_directory(image, view, path):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


def is_directory(image, view, path):
    return any(
        line.startswith(path + "/")
        for line in run("isoinfo", "-f", view, "-i", image).splitlines()
    )


# What tools say of an image, without dates and positions.
LISTINGS = {
    "isoinfo -f -R": ("isoinfo", lambda image: paths(image, "-R")),
    "isoinfo -f -J": ("isoinfo", lambda image: paths(image, "-J")),
    "isoinfo -l -R": ("isoinfo", lambda image: long_listing(image)),
    "bsdtar -t": ("bsdtar", lambda image: tar_listing(image)),
    "7z l": ("7z", lambda image: seven_zip_listing(image)),
    "blkid": ("blkid", lambda image: probe(image)),
}


def paths(image, view):
    return sorted(run("isoinfo", "-f", view, "-i", image).splitlines())


def long_listing(image):
    listing, directory = [], ""
    for line in run("isoinfo", "-l", "-R", "-i", image).splitlines():
        if line.startswith("Directory listing of "):
            directory = line
        elif line.strip():
            fields = re.sub(r" \w{3} [ \d]\d \d{4} \[[ \d]+\] ", " ", line).split()
            listing.append((directory, *fields))
    return sorted(listing)


def tar_listing(image):
    lines = run("bsdtar", "-tvf", image).splitlines()
    return sorted(
        tuple(re.split(r" +", line, maxsplit=8)[i] for i in (0, 1, 2, 3, 4, 8))
        for line in lines
    )


def seven_zip_listing(image):
    blocks = run("7z", "l", "-slt", "-ba", image).strip().split("\n\n")
    return sorted(
        tuple(
            line.strip()
            for line in block.splitlines()
            if line.startswith(("Path =", "Folder =", "Size ="))
        )
        for block in blocks
    )


def probe(image):
    lines = run("blkid", "-p", "-o", "export", image).splitlines()
    # The UUID is the date; the application is the writer.
    own = ("DEVNAME=", "UUID=", "APPLICATION_ID=")
    return sorted(line for line in lines if not line.startswith(own))


EXTRACTORS_HERE = [name for name in EXTRACTORS if found(name.split(",")[0])]
LISTINGS_HERE = sorted(name for name, (tool, _) in LISTINGS.items() if found(tool))
REFERENCES = ["genisoimage"] if found("genisoimage") else []
CLOUD_INIT = [python] if (python := cloudinit.python()) else []


def test_tools_that_are_not_here_are_named():
    """Says in the summary with which readers the images were not tried."""
    tools = {"bsdtar", "7z", "xorriso", "isoinfo", "blkid", "genisoimage"}
    missing = sorted(tool for tool in tools if not found(tool))
    if not CLOUD_INIT:
        missing.append("cloud-init")
    if missing:
        warnings.warn(
            f"config drives were not tried with {', '.join(missing)}", stacklevel=1
        )
    assert set(missing) <= {*tools, "cloud-init"}


def ours(tmp_path, name, **options) -> pathlib.Path:
    image = tmp_path / "ours.iso"
    configdrive.build(DRIVES[name](), image, publisher=PUBLISHER, **options)
    return image


def genisoimage(tmp_path, name) -> pathlib.Path:
    """The image that nova's builder makes of the same files."""
    image, tree = tmp_path / "theirs.iso", tmp_path / "tree"
    configdrives.write_tree(DRIVES[name](), tree)
    run(
        "genisoimage", "-o", image, "-ldots", "-allow-lowercase", "-allow-multidot",
        "-l", "-publisher", PUBLISHER, "-quiet", "-J", "-r", "-V", "config-2", tree,
    )  # fmt: skip
    return image


def files_in(directory: pathlib.Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("tool", EXTRACTORS_HERE)
@pytest.mark.parametrize("deduplicate", [True, False])
@pytest.mark.parametrize("name", DRIVES)
def test_reader_extracts_what_was_built(tmp_path, name, deduplicate, tool):
    target = tmp_path / "out"
    target.mkdir()
    EXTRACTORS[tool](ours(tmp_path, name, deduplicate=deduplicate), target)
    assert files_in(target) == DRIVES[name]()


@pytest.mark.parametrize("listing", LISTINGS_HERE)
@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("name", DRIVES)
def test_reader_lists_the_same_tree_as_of_genisoimage(
    tmp_path, name, reference, listing
):
    look = LISTINGS[listing][1]
    mine = look(ours(tmp_path, name, deduplicate=False))
    assert mine
    assert mine == look(genisoimage(tmp_path, name))


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("name", DRIVES)
@pytest.mark.parametrize("view", [configdrive.ROCK_RIDGE, configdrive.JOLIET])
def test_our_reader_reads_images_of_genisoimage(tmp_path, name, reference, view):
    with configdrive.Image(genisoimage(tmp_path, name)) as image:
        image.extract(tmp_path / "out", view=view)
        report = configdrive.verify(image)
    assert files_in(tmp_path / "out") == DRIVES[name]()
    assert report.problems == ()
    assert report.ok == (name == "typical")


@pytest.mark.parametrize("reference", REFERENCES)
def test_our_reader_finds_directories_that_were_moved(tmp_path, reference):
    """genisoimage moves what is nested deeper than eight levels away."""
    files = {"a/b/c/d/e/f/g/h/i/j/file": b"deep", "top": b"top"}
    configdrives.write_tree(files, tmp_path / "tree")
    run("genisoimage", "-quiet", "-r", "-o", tmp_path / "deep.iso", tmp_path / "tree")
    with configdrive.Image(tmp_path / "deep.iso") as image:
        image.extract(tmp_path / "out")
    assert files_in(tmp_path / "out") == files


@pytest.mark.parametrize("python", CLOUD_INIT)
def test_cloud_init_reads_the_drive(tmp_path, python):
    files = configdrives.typical()
    result = cloudinit.read(python, ours(tmp_path, "typical"), tmp_path / "a")
    assert result["version"] == 2
    expected = json.loads(files["openstack/2018-08-27/meta_data.json"])
    assert result["metadata"]["uuid"] == expected["uuid"]
    assert result["metadata"]["admin_pass"] == expected["admin_pass"]
    user_data = files["openstack/latest/user_data"]
    assert result["userdata"] == f"sha256:{hashlib.sha256(user_data).hexdigest()}"
    network = json.loads(files["openstack/latest/network_data.json"])
    assert result["networkdata"] == network
    assert set(result["files"]) == {"/etc/hosts", "/etc/resolv.conf"}


@pytest.mark.parametrize("python", CLOUD_INIT)
@pytest.mark.parametrize("reference", REFERENCES)
def test_cloud_init_reads_the_same_from_genisoimage(tmp_path, reference, python):
    mine = cloudinit.read(python, ours(tmp_path, "typical"), tmp_path / "a")
    theirs = genisoimage(tmp_path, "typical")
    assert mine == cloudinit.read(python, theirs, tmp_path / "b")
