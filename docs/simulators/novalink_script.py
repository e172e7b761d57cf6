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

"""Create a partition on a NovaLink, start it, and list all partitions."""

import os
import urllib.parse

from pypowervm import adapter
from pypowervm.tasks import power
from pypowervm.utils import lpar_builder
from pypowervm.wrappers import logical_partition, managed_system

url = urllib.parse.urlsplit(os.environ["NOVALINK_URL"])
session = adapter.Session(
    host=url.hostname,
    port=url.port,
    protocol=url.scheme,
    username=os.environ["NOVALINK_USER"],
    password=os.environ["NOVALINK_PASSWORD"],
)
novalink = adapter.Adapter(session)
system = managed_system.System.get(novalink)[0]
wanted = {"name": "web", "env": "AIX/Linux", "memory": 2048, "vcpu": 2}
builder = lpar_builder.LPARBuilder(
    novalink, wanted, lpar_builder.DefaultStandardize(system)
)
web = builder.build().create(parent=system)
power.power_on(web, None)
for lpar in logical_partition.LPAR.get(novalink):
    print(lpar.id, lpar.name, lpar.state)
