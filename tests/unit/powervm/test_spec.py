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


"""Extra specs: what the driver takes, and what Nova's API is told."""

from __future__ import annotations

import pytest
from nova import exception

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm.guests import spec, validators

DEFAULTS = {"proc_units_factor": "0.1", "uncapped_weight": "64"}


def attributes(**specs):
    flavor = {
        "name": "f",
        "vcpus": 2,
        "memory_mb": 2048,
        "extra_specs": {f"powervm:{name}": value for name, value in specs.items()},
    }
    return spec.from_flavor(flavor, None, DEFAULTS).attributes


def test_shared_uncapped_processors_are_the_default():
    found = attributes()
    assert found["dedicated_proc"] == "false"
    assert found["sharing_mode"] == "uncapped"
    assert found["proc_units"] == "0.20"
    assert found["uncapped_weight"] == "64"


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ({"min_mem": "1024", "max_mem": "4096"}, {"min_mem": "1024"}),
        ({"expansion_factor": "1.5"}, {"ame_factor": "1.5"}),
        ({"ppt_ratio": "1:512"}, {"ppt_ratio": "1:512"}),
        ({"uncapped": "false"}, {"sharing_mode": "capped"}),
        ({"shared_weight": "200"}, {"uncapped_weight": "200"}),
        ({"shared_proc_pool_name": "gold"}, {"shared_proc_pool_name": "gold"}),
        ({}, {"srr_capability": "true"}),
        ({"srr_capability": "no"}, {"srr_capability": "false"}),
        ({"availability_priority": "200"}, {"avail_priority": "200"}),
        ({"processor_compatibility": "POWER8"}, {"processor_compatibility": "POWER8"}),
        (
            {"processor_compatibility": "POWER6+"},
            {"processor_compatibility": "POWER6_Plus"},
        ),
        (
            {
                "dedicated_proc": "true",
                "dedicated_sharing_mode": "share_idle_procs_active",
            },
            {"dedicated_proc": "true", "sharing_mode": "sre idle procs active"},
        ),
    ],
)
def test_an_extra_spec_becomes_an_attribute(specs, expected):
    assert expected.items() <= attributes(**specs).items()


@pytest.mark.parametrize(
    "specs",
    [
        {"no_such": "1"},
        {"min_mem": "lots"},
        {"min_mem": "4096"},
        {"max_mem": "1024"},
        {"max_vcpu": "1"},
        {"proc_units": "0.01"},
        {"ppt_ratio": "1:63"},
        {"shared_weight": "256"},
        {"uncapped": "maybe"},
        {"dedicated_sharing_mode": "keep_idle_procs"},
        {"dedicated_proc": "true", "proc_units": "1"},
        {"dedicated_proc": "true", "shared_proc_pool_name": "gold"},
        {"dedicated_proc": "true", "dedicated_sharing_mode": "sometimes"},
    ],
)
def test_wrong_extra_specs_are_refused_by_name(specs):
    with pytest.raises(exceptions.InvalidRequest, match="powervm:"):
        attributes(**specs)


@pytest.mark.parametrize(
    ("distro", "kind"), [("ibmi", "OS400"), ("aix", "AIX/Linux"), ("", "AIX/Linux")]
)
def test_the_image_says_the_type_of_the_partition(distro, kind):
    flavor = {"name": "f", "vcpus": 1, "memory_mb": 512, "extra_specs": {}}
    image = plan.Image("i", "n", "raw", "bare", 1, properties={"os_distro": distro})
    assert spec.from_flavor(flavor, image, DEFAULTS).type == kind


def test_nova_is_told_of_every_extra_spec():
    told = {validator.name for validator in validators.register()}
    assert told == {f"powervm:{name}" for name in spec.KNOWN}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("min_vcpu", "1", "0"),
        ("proc_units", "0.5", "half"),
        ("uncapped", "true", "maybe"),
        ("ppt_ratio", "1:64", "64"),
        ("dedicated_sharing_mode", "keep_idle_procs", "x"),
    ],
)
def test_novas_api_refuses_wrong_values(name, good, bad):
    (validator,) = [v for v in validators.register() if v.name == f"powervm:{name}"]
    validator.validate(f"powervm:{name}", good)
    with pytest.raises(exception.ValidationError):
        validator.validate(f"powervm:{name}", bad)
