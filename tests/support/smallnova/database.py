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

"""Nova's and placement's sqlite files, made once and copied."""

from __future__ import annotations

import shutil
import threading

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Engine


def tune():
    """Let many threads of one process share sqlite files.

    A transaction takes its lock at its beginning: one that reads first and
    writes later would otherwise find the file locked. But not one in the midst
    of another of the same thread and file, which would wait for itself:
    placement reads providers so when their generations conflict.
    """
    held = threading.local()

    @event.listens_for(Engine, "connect")
    def connect(connection, _record):
        if type(connection).__module__.startswith("sqlite3"):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA busy_timeout = 60000")

    @event.listens_for(Engine, "begin", insert=True)
    def begin(connection):
        if connection.dialect.name == "sqlite" and (
            "in_transaction" not in connection.info
        ):
            connection.info["in_transaction"] = True
            files = vars(held).setdefault("files", set())
            file = str(connection.engine.url)
            if file in files:
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                files.add(file)
                connection.info["held"] = file

    def end(connection):
        vars(held).get("files", set()).discard(connection.info.pop("held", None))

    event.listen(Engine, "commit", end)
    event.listen(Engine, "rollback", end)


def prepare(state, template=None):
    """Make the schemas in a state directory, or copy them from a template."""
    names = ("api", "cell0", "cell1")
    if (state / "cell1.sqlite").exists():
        return
    if template is not None and (template / "cell1.sqlite").exists():
        for name in names:
            shutil.copy(template / f"{name}.sqlite", state / f"{name}.sqlite")
        return
    from nova.db.api import models as api_models
    from nova.db.main import models as main_models

    # The models are the schema; alembic would build the same step by step.
    for name, models in (("api", api_models), ("cell0", main_models)):
        engine = sqlalchemy.create_engine(f"sqlite:///{state}/{name}.sqlite")
        models.BASE.metadata.create_all(engine)
        engine.dispose()
    shutil.copy(state / "cell0.sqlite", state / "cell1.sqlite")
    if template is not None:
        template.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(state / f"{name}.sqlite", template / f"{name}.sqlite")


def map_cells(state):
    """Write the cell mappings that nova-manage would."""
    from nova import context as nova_context
    from nova import objects

    context = nova_context.get_admin_context()
    if objects.CellMappingList.get_all(context):
        return
    for name, identity in (
        ("cell0", objects.CellMapping.CELL0_UUID),
        ("cell1", "5c1f6c2e-3b7a-4a55-9d53-0c7a2c6a0b11"),
    ):
        objects.CellMapping(
            context,
            uuid=identity,
            name=name,
            transport_url="none:///" if name == "cell0" else "fake://",
            database_connection=f"sqlite:///{state}/{name}.sqlite",
        ).create()


def map_hosts():
    """Map new compute hosts to their cell, as nova-manage does."""
    from nova import context as nova_context
    from nova.objects import host_mapping

    host_mapping.discover_hosts(nova_context.get_admin_context())
