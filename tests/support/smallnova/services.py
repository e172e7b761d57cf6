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

"""Nova's services and placement, started in this process."""

from __future__ import annotations

import os
import sys

from tests.support.smallnova import api, config, database


class Services:
    """Everything of one small Nova.

    :param state: directory of this Nova, kept over restarts.
    :param driver: ``compute_driver``.
    :param extra: options of the driver, {section: {name: value}}.
    """

    def __init__(self, state, driver, extra, template, neighbours):
        self.state = state
        self.driver = driver
        self.extra = extra
        self.template = template
        self.neighbours = neighbours
        self.placement = api.Listener()
        self.compute_api = api.Listener()
        self.running = []

    def start(self):
        database.tune()
        database.prepare(self.state, self.template)
        self.placement.start(self._placement())
        urls = {name: item.url for name, item in self.neighbours.items()}
        urls["placement"] = self.placement.url
        path = config.write(self.state, self.driver, urls, self.extra)
        self._configure(path)
        database.map_cells(self.state)
        self._services()
        self.compute_api.start(self._api())

    def stop(self):
        for service in reversed(self.running):
            service.stop()
        self.compute_api.stop()
        self.placement.stop()

    # -- parts ------------------------------------------------------------

    def _placement(self):
        from oslo_config import cfg
        from placement import conf as placement_conf
        from placement import db_api, deploy

        directory = self.state / "placement"
        directory.mkdir(exist_ok=True)
        conf = cfg.ConfigOpts()
        placement_conf.register_opts(conf)
        database_url = f"sqlite:///{directory}/placement.sqlite"
        conf.set_override("connection", database_url, "placement_database")
        conf([], project="placement", default_config_files=[])
        conf.set_override("sync_on_startup", True, "placement_database")
        conf.set_override("auth_strategy", "noauth2", "api")
        db_api.configure(conf)
        return deploy.loadapp(conf)

    def _configure(self, path):
        import os_brick
        import os_vif
        from nova import config as nova_config
        from nova import objects
        from oslo_log import log

        nova_config.parse_args(
            ["small", "--config-file", str(path)], default_config_files=[]
        )
        log.setup(nova_config.CONF, "nova")
        objects.register_all()
        os_brick.setup(nova_config.CONF)
        # As nova-compute does: this is where the drivers' name is installed.
        os_vif.initialize()

    def _services(self):
        from nova import service
        from nova.compute import rpcapi as compute_rpcapi
        from nova.scheduler import rpcapi as scheduler_rpcapi

        for binary, topic, topic_alt in (
            ("nova-conductor", "conductor", None),
            ("nova-scheduler", scheduler_rpcapi.RPC_TOPIC, None),
            # External events and whatever is short comes by the second topic.
            (
                "nova-compute",
                compute_rpcapi.RPC_TOPIC,
                compute_rpcapi.RPC_TOPIC_ALT,
            ),
        ):
            sys.argv[0] = binary
            started = service.Service.create(
                binary=binary,
                topic=topic,
                topic_alt=topic_alt,
                periodic_enable=binary == "nova-compute",
            )
            started.start()
            self.running.append(started)
            self._beat(started)
        database.map_hosts()

    @staticmethod
    def _beat(service):
        """Up at once: by itself it says so after five seconds, so that after a time
        of many kills, or a long one of none, Nova would take its host for down."""
        service.service_ref.report_count += 1
        service.service_ref.save()

    def _api(self):
        from paste import deploy

        os.environ.setdefault("OS_NOVA_CONFIG_DIR", str(self.state))
        return deploy.loadapp(
            f"config:{self.state}/api-paste.ini", name="osapi_compute"
        )

    def external_events(self, events):
        """Events of the neighbours, sent as Neutron and Cinder do."""
        import json
        import urllib.error
        import urllib.request

        request = urllib.request.Request(
            f"{self.compute_api.url}/v2.1/os-server-external-events",
            data=json.dumps({"events": events}).encode(),
            headers={
                "Content-Type": "application/json",
                "X-Auth-Token": "admin",
                "OpenStack-API-Version": "compute 2.93",
            },
        )
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except (urllib.error.URLError, OSError):
            # Nova does not know the server yet, or not any more.
            return
