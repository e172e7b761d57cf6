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

"""Nova's configuration for the small Nova."""

from __future__ import annotations

import textwrap

FILTERS = ",".join(
    (
        "ComputeFilter",
        "ComputeCapabilitiesFilter",
        "ImagePropertiesFilter",
        "ServerGroupAntiAffinityFilter",
        "ServerGroupAffinityFilter",
    )
)

PASTE = """
[composite:osapi_compute]
use = call:nova.api.openstack.urlmap:urlmap_factory
/v2.1: openstack_compute_api_v21
/: oscomputeversions

[pipeline:oscomputeversions]
pipeline = faultwrap request_log oscomputeversionapp

[composite:openstack_compute_api_v21]
use = call:nova.api.auth:pipeline_factory_v21
keystone = compute_req_id faultwrap request_log sizelimit small_auth \
 keystonecontext osapi_compute_app_v21

[filter:small_auth]
paste.filter_factory = tests.support.smallnova.api:auth_factory
[filter:request_log]
paste.filter_factory = nova.api.openstack.requestlog:RequestLog.factory
[filter:compute_req_id]
paste.filter_factory = nova.api.compute_req_id:ComputeReqIdMiddleware.factory
[filter:faultwrap]
paste.filter_factory = nova.api.openstack:FaultWrapper.factory
[filter:sizelimit]
paste.filter_factory = oslo_middleware:RequestBodySizeLimiter.factory
[filter:keystonecontext]
paste.filter_factory = nova.api.auth:NovaKeystoneContext.factory
[app:osapi_compute_app_v21]
paste.app_factory = nova.api.openstack.compute:APIRouterV21.factory
[app:oscomputeversionapp]
paste.app_factory = nova.api.openstack.compute.versions:Versions.factory
"""


def write(state, driver, urls, extra):
    """Write nova.conf and api-paste.ini; the path of nova.conf."""
    (state / "api-paste.ini").write_text(PASTE)
    text = textwrap.dedent(f"""
        [DEFAULT]
        compute_driver = {driver}
        host = small
        my_ip = 127.0.0.1
        state_path = {state}
        log_file = {state}/nova.log
        use_stderr = false
        transport_url = fake://
        vif_plugging_timeout = 120
        vif_plugging_is_fatal = true
        instance_usage_audit = false
        # No random delay, up to a minute by default, before the periodic tasks.
        periodic_fuzzy_delay = 0
        sync_power_state_interval = -1
        heal_instance_info_cache_interval = -1
        update_resources_interval = 60
        report_interval = 5
        service_down_time = 60
        instances_path = {state}/instances
        shutdown_timeout = 3
        # Of it Nova keeps 20 seconds for its cleaning up: the service waits for no
        # task. That of a resize which the driver refused is never ended.
        manager_shutdown_timeout = 20
        shelved_offload_time = 0
        allow_resize_to_same_host = true
        block_device_allocate_retries_interval = 1
        [api_database]
        connection = sqlite:///{state}/api.sqlite
        [database]
        connection = sqlite:///{state}/cell1.sqlite
        [wsgi]
        api_paste_config = {state}/api-paste.ini
        [oslo_concurrency]
        lock_path = {state}/locks
        [oslo_policy]
        enforce_scope = false
        enforce_new_defaults = false
        [filter_scheduler]
        enabled_filters = {FILTERS}
        [notifications]
        notification_format = unversioned
        [placement]
        auth_type = admin_token
        endpoint = {urls["placement"]}
        token = admin
        endpoint_override = {urls["placement"]}
        [neutron]
        auth_type = admin_token
        endpoint = {urls["networks"]}
        token = admin
        endpoint_override = {urls["networks"]}
        [glance]
        endpoint_override = {urls["images"]}
        [cinder]
        endpoint_template = {urls["volumes"]}/v3/demo
        auth_type = admin_token
        endpoint = {urls["volumes"]}/v3/demo
        token = admin
        [key_manager]
        backend = tests.support.smallnova.keys.Certificates
        fixed_key = 0000000000000000000000000000000000000000000000000000000000000000
        [service_user]
        send_service_user_token = false
        """)
    for section, options in extra.items():
        text += f"[{section}]\n"
        text += "".join(f"{name} = {value}\n" for name, value in options.items())
    path = state / "nova.conf"
    path.write_text(text)
    return path
