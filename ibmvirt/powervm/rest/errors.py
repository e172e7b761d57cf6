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

"""pypowervm's errors as ours, with what was attempted and a remedy."""

from __future__ import annotations

import collections.abc
import contextlib

from pypowervm import exceptions as pypowervm

from ibmvirt.common import exceptions

# Message ids that say more than their status (documented in pypowervm).
_FULL = ("HSCL03A5", "HSCL03A6", "VIOS00012", "HSCL0B03")
_RUNS = "look whether NovaLink's REST service (pvm-rest) runs and is reached"
_NO_RMC = ("HSCL2957", "HSCL0DB4")


class JobFailed(exceptions.HypervisorError):
    """A job ran and ended with an error."""


class NotThere(exceptions.HypervisorError):
    """The options name a place that the system does not have."""


@contextlib.contextmanager
def attempting(what: str) -> collections.abc.Iterator[None]:
    """Name what the block attempts in the errors that leave it."""
    try:
        yield
    except pypowervm.HttpError as error:
        raise of_http(what, error) from error
    except pypowervm.SSLError as error:
        raise exceptions.HypervisorUnavailable(
            what,
            str(error),
            "[powervm]novalink_ca_file must have the authority that signed "
            "NovaLink's certificate, and novalink_host be a name in it",
        ) from error
    except (pypowervm.ConnectionError, pypowervm.TimeoutError) as error:
        raise exceptions.HypervisorUnavailable(what, str(error), _RUNS) from error
    except pypowervm.Error as error:
        raise exceptions.HypervisorError(what, str(error)) from error


def of_http(what: str, error: pypowervm.HttpError) -> exceptions.HypervisorError:
    """The kind of error that a refused request is."""
    text = message(error)
    if any(code in text for code in _FULL):
        return exceptions.OutOfResources(what, text)
    if any(code in text for code in _NO_RMC):
        return exceptions.WrongState(
            what,
            text,
            "look whether RMC runs in the partition and its management adapter is up",
        )
    status = error.response.status if error.response is not None else None
    if status == 401:
        return exceptions.HypervisorUnavailable(
            what,
            text,
            "correct the user and password or, with local authentication, the "
            "membership in the group pvm_admin, and restart nova-compute",
        )
    if status == 503:
        return exceptions.HypervisorUnavailable(what, text, _RUNS)
    return exceptions.HypervisorError(what, text)


def message(error: pypowervm.HttpError) -> str:
    """The platform's words, without headers and stack."""
    wrapper = getattr(error, "her_wrap", None)
    if wrapper is not None and wrapper.message:
        return str(wrapper.message)
    return str(error.args[0]) if error.args else type(error).__name__


def status_of(error: Exception) -> int | None:
    """The HTTP status of an error of pypowervm, or of one made from it."""
    for found in (error, error.__cause__):
        if isinstance(found, pypowervm.HttpError) and found.response is not None:
            return int(found.response.status)
    return None


def is_refusal(error: Exception) -> bool:
    """Whether NovaLink refused a request, and has carried out nothing of it."""
    status = status_of(error)
    return status is not None and 400 <= status < 500
