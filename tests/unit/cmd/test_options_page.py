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


"""The page of options, and how oslo.config finds them."""

from __future__ import annotations

import configparser
import importlib
import pathlib
import re

from nova.conf import zvm as nova_zvm

from ibmvirt.cmd import options_page

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_every_option_is_explained():
    page = options_page.page()
    for group, options in [
        *options_page.powervm.list_opts(),
        *options_page.zvm.list_opts(),
    ]:
        assert f"[{group}]" in page
        for option in options:
            assert option.help, option.name
            assert f"``{option.name}``" in page


def test_limits_are_told():
    page = options_page.page()
    assert "``uncapped_proc_weight`` (integer, 1 to 255, default ``64``)" in page
    assert "``check_interval`` (float, at least 1.0, default ``10.0``)" in page


def test_novas_options_that_the_driver_uses_are_there():
    page = options_page.page()
    named = re.findall(r"^``(\w+)`` \(.*one of Nova's own\)$", page, re.MULTILINE)
    assert named == ["cloud_connector_url", "ca_file"]
    assert set(named) < {option.name for option in nova_zvm.zvm_opts}
    assert page.index("[zvm]") < page.index(f"``{named[0]}``")


def test_the_sample_file_has_an_entry_point_for_each_namespace():
    packaging = configparser.ConfigParser()
    packaging.read(ROOT / "setup.cfg")
    lines = packaging["options.entry_points"]["oslo.config.opts"].split("\n")
    known = dict(line.split(" = ") for line in lines if line)
    text = (ROOT / "docs/configuration/config-generator.conf").read_text()
    wanted = [line.split(" = ")[1] for line in text.split("\n") if "namespace" in line]
    assert sorted(wanted) == sorted(known)
    for place in known.values():
        module, function = place.split(":")
        ((_group, options),) = getattr(importlib.import_module(module), function)()
        assert options
