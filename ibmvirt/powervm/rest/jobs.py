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

"""Running jobs of the platform.

The template of a job is read once. A job that is done in the answer to its
request costs two calls: PUT and DELETE.
"""

from __future__ import annotations

import collections.abc
import contextlib
import copy
import logging
import threading
import typing

from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import job as job_wrapper

from ibmvirt.common import clock, context, exceptions
from ibmvirt.powervm.rest import errors, opened

LOG = logging.getLogger(__name__)

# Answers about a job that may be lost, one after the other.
_MISSED = 3
_RUNNING = frozenset({"RUNNING", "NOT_STARTED", "NOT_ACTIVE"})


class Jobs:
    """Runs jobs through a pypowervm adapter.

    :param timeout: seconds after which a job is cancelled.
    """

    def __init__(
        self, adapter: typing.Any, timeout: float, noted: opened.Opened
    ) -> None:
        self._adapter = adapter
        self._opened = noted
        self._timeout = timeout
        self._templates: dict[tuple[str, str], typing.Any] = {}
        self._lock = threading.Lock()

    def run(
        self,
        kind: str,
        uuid: str,
        operation: str,
        parameters: collections.abc.Mapping[str, str],
        *,
        what: str,
        timeout: float | None = None,
    ) -> dict[str, str]:
        """Run a job to its end; its results.

        :param timeout: seconds for this job; None = the usual.
        :raises JobFailed: it ended with anything but COMPLETED_OK.
        """
        with self._opened.one(opened.JOB) as note:
            job = self._begin(kind, uuid, operation, parameters, what)
            note.opened(job.job_id)
            try:
                job = self._wait(job, what, timeout or self._timeout)
                return self._results(job, what)
            finally:
                self._delete(job, note)

    def _begin(
        self,
        kind: str,
        uuid: str,
        operation: str,
        parameters: collections.abc.Mapping[str, str],
        what: str,
    ) -> typing.Any:
        with errors.attempting(what):
            element = copy.deepcopy(self._template(kind, uuid, operation))
            job = job_wrapper.Job.wrap(element)
            job.add_job_parameters_to_existing(
                *[
                    job_wrapper.Job.create_job_parameter(name, value)
                    for name, value in parameters.items()
                ]
            )
            response = self._adapter.create_job(job.entry.element, kind, uuid)
            return job_wrapper.Job.wrap(response.entry)

    def _template(self, kind: str, uuid: str, operation: str) -> typing.Any:
        with self._lock:
            found = self._templates.get((kind, operation))
        if found is None:
            response = self._adapter.read(
                kind, uuid, suffix_type="do", suffix_parm=operation
            )
            found = response.entry
            with self._lock:
                self._templates[kind, operation] = found
        return found

    def _wait(self, job: typing.Any, what: str, timeout: float) -> typing.Any:
        end = clock.now() + timeout
        delays = clock.backoff(first=0.2, most=2.0)
        missed = 0
        while job.job_status in _RUNNING:
            if clock.now() > end:
                self._cancel(job)
                raise errors.JobFailed(
                    what, f"the job {job.job_id} did not end in {timeout:.0f} s"
                )
            try:
                context.wait(next(delays))
            except exceptions.Cancelled:
                self._cancel(job)
                raise
            with errors.attempting(what):
                try:
                    response = self._adapter.read_job(job.job_id)
                except (pypowervm.ConnectionError, pypowervm.TimeoutError) as error:
                    # The job goes on, whether we hear of it or not.
                    missed += 1
                    if missed == _MISSED:
                        raise
                    LOG.warning("the job %s was not read: %s", job.job_id, error)
                    continue
                missed = 0
                job = job_wrapper.Job.wrap(response.entry)
        return job

    @staticmethod
    def _results(job: typing.Any, what: str) -> dict[str, str]:
        if job.job_status != "COMPLETED_OK":
            reason = job.get_job_message("") or f"the job ended {job.job_status}"
            raise errors.JobFailed(what, reason)
        return dict(job.get_job_results_as_dict() or {})

    def _cancel(self, job: typing.Any) -> None:
        try:
            self._adapter.update(None, None, "jobs", job.job_id, suffix_type="cancel")
        except pypowervm.Error as error:
            LOG.warning("the job %s could not be cancelled: %s", job.job_id, error)

    def _delete(self, job: typing.Any, note: opened.Note) -> None:
        """The platform keeps a bounded number of jobs."""
        try:
            with contextlib.suppress(pypowervm.HttpNotFound):
                self._adapter.delete("jobs", job.job_id)
        except pypowervm.Error as error:
            LOG.warning("the job %s could not be deleted: %s", job.job_id, error)
        else:
            note.closed()
