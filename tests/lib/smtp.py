"""A real SMTP server (aiosmtpd) that takes mails or does what a test tells it to: STARTTLS, logins, refusals, silence, breaking off."""

import asyncio
import email
import email.policy
import os
import ssl
import subprocess
from dataclasses import dataclass

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from lib.net import free_port


def make_certificate(folder, name="127.0.0.1"):
    """A certificate of its own authority: the paths of it and of its key."""
    cert, key = (os.path.join(folder, f"{name}-{part}.pem") for part in ("cert", "key"))
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                    f"subjectAltName={kind}:{name}", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@dataclass
class Taken:
    sender: str
    recipients: list
    message: email.message.EmailMessage
    raw: bytes
    encrypted: bool
    user: str


class Handler:
    def __init__(self, office):
        self.office = office

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.office.refusals:
            return self.office.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        raw = envelope.original_content
        self.office.mails.append(Taken(envelope.mail_from, list(envelope.rcpt_tos), email.message_from_bytes(raw, policy=email.policy.default), raw,
                                       session.ssl is not None, self.office.user_of(session)))
        if self.office.silent:
            await asyncio.sleep(3600)
        if self.office.breaks_off:
            self.office.breaks_off -= 1
            server.transport.abort()
        return "250 OK"


class SmtpServer:
    """
    mails: what was taken, whatever the sender was told of it. refusals: address → what RCPT answers. silent: nothing is said after a mail.
    breaks_off: so many times the connection breaks after a mail was taken and before it is said.
    """

    def __init__(self, certificate=None, user=None, password=None):
        self.mails, self.refusals, self.silent, self.breaks_off = [], {}, False, 0
        self.user, self.password, self.attempts = user, password, []
        options = {}
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            options = dict(tls_context=context, require_starttls=True)
        if user:
            options |= dict(authenticator=self._authenticate, auth_required=True, auth_require_tls=bool(certificate))
        self._controller = Controller(Handler(self), hostname="127.0.0.1", port=free_port(), **options)
        self._controller.start()

    def _authenticate(self, server, session, envelope, mechanism, data):
        good = (data.login.decode(), data.password.decode()) == (self.user, self.password)
        self.attempts.append(data.login.decode())
        return AuthResult(success=good, auth_data=data.login.decode() if good else None, handled=False)

    def user_of(self, session):
        return session.auth_data if session.authenticated else None

    @property
    def port(self):
        return self._controller.port

    def settings(self, **more):
        return dict(EMAIL_HOST="127.0.0.1", EMAIL_PORT=self.port, EMAIL_USE_TLS="0", DEFAULT_FROM_EMAIL="Égoejo <site@example.org>") | more

    def to(self, address):
        return [mail for mail in list(self.mails) if address in mail.recipients]

    def close(self):
        self._controller.stop()
