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

"""Images that users want to be verified by certificates they trust."""

from __future__ import annotations

import base64
import datetime
import io
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from ibmvirt.simulators.zvm import imagefile
from tests.functional.nova import servers
from tests.functional.nova.conftest import IMAGE
from tests.support.smallnova import keys


class Signer:
    """An authority and a certificate that it signed, both at the key manager."""

    def __init__(self, nova):
        authority = rsa.generate_private_key(65537, 2048)
        self._key = rsa.generate_private_key(65537, 2048)
        self.trusted = self._keep(nova, "authority", authority, authority)
        self.certificate = self._keep(nova, "signer", self._key, authority)

    @staticmethod
    def _keep(nova, name, key, authority):
        def called(text):
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(called(name))
            .issuer_name(called("authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(
                x509.BasicConstraints(ca=key is authority, path_length=None), True
            )
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True, content_commitment=False,
                    key_encipherment=False, data_encipherment=False,
                    key_agreement=False, key_cert_sign=key is authority,
                    crl_sign=False, encipher_only=False, decipher_only=False,
                ), True,
            )
            .sign(authority, hashes.SHA256())
        )  # fmt: skip
        identity = str(uuid.uuid4())
        encoded = made.public_bytes(serialization.Encoding.DER)
        keys.put(nova.state, identity, encoded)
        return identity

    def properties(self, content):
        """What Glance has to say of a signed image."""
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
        signature = self._key.sign(content, pss, hashes.SHA256())
        return {
            "img_signature": base64.b64encode(signature).decode(),
            "img_signature_hash_method": "SHA-256",
            "img_signature_key_type": "RSA-PSS",
            "img_signature_certificate_uuid": self.certificate,
        }


def build(nova, content, signed, **properties):
    """Build a server from a signed image; it and the image."""
    signer = Signer(nova)
    image = nova.client.image.create_image(
        "signed", data=io.BytesIO(content), disk_format="raw",
        container_format="bare", validate_checksum=False,
        **signer.properties(signed), **properties,
    )  # fmt: skip
    server = servers.boot(
        nova, image_id=image.id, trusted_image_certificates=[signer.trusted]
    )
    return server, image


def verified(nova, content, **properties):
    server, image = build(nova, content, content, **properties)
    servers.wait(nova, server)
    servers.delete(nova, server)
    nova.client.image.delete_image(image)


def refused(nova, content, **properties):
    server, image = build(nova, content, b"other bytes", **properties)
    found = servers.wait(nova, server, "ERROR")
    assert servers.guest(nova, server) is None
    assert "signature" in found.fault["message"].lower()
    servers.delete(nova, server)
    nova.client.image.delete_image(image)
    assert nova.simulator.compare() == []


RHEL = {"os_distro": "rhel", "os_version": "9.4"}


@pytest.mark.parametrize("check", [verified, refused])
def test_a_partition_is_made_of_an_image_that_is_what_was_signed(powervm, check):
    # Bytes that are in the pool already are not fetched, and not judged, again.
    check(powervm, IMAGE[::-1] if check is verified else IMAGE[128:] + IMAGE[:128])


@pytest.mark.parametrize("check", [verified, refused])
def test_a_zvm_guest_is_made_of_an_image_that_is_what_was_signed(zvm_nova, check):
    check(zvm_nova, imagefile.write(IMAGE[::-1]), **RHEL)
