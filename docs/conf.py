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

"""Sphinx configuration."""

from __future__ import annotations

import os
import pathlib
import typing

# Nova is only read here; it must not start eventlet.
os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"

import ibmvirt
from ibmvirt.cmd import extra_specs_page, options_page
from ibmvirt.common import render
from ibmvirt.simulators.zvm.commands import page as commands_page

project = "ibmvirt"
copyright = "2026, ibmvirt developers"
version = release = ibmvirt.__version__
extensions = [
    "openstackdocstheme",
    "sphinx_feature_classification.support_matrix",
    "sphinx.ext.autodoc",
]
html_theme = "openstackdocs"
openstackdocs_auto_name = False
openstackdocs_pdf_link = False
exclude_patterns = ["_build"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
templates_path: list[str] = []

# Pages that the code writes, so that they are never older than it.
GENERATED: dict[str, typing.Callable[[], str]] = {
    "contributor/flows.rst": render.page,
    "simulators/zvm-commands.rst": commands_page.render,
    "user/extra-specs.rst": extra_specs_page.page,
    "user/options.rst": options_page.page,
}


def setup(_app: typing.Any) -> None:
    for name, page in GENERATED.items():
        path = pathlib.Path(__file__).parent / name
        text = page()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
