"""An SMTP server of the test's own: it takes every mail and keeps it."""

import email
import email.policy
import socketserver
import threading


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.reply("220 test")
        recipients = []
        for line in self.rfile:
            word = line.split()[0].upper() if line.split() else b""
            if word == b"RCPT":
                recipients.append(line.decode().partition("<")[2].partition(">")[0])
            if word == b"DATA":
                self.reply("354 go on")
                self.server.office.take(recipients, self.read_message())
                recipients = []
            self.reply("221 bye" if word == b"QUIT" else "250 ok")
            if word == b"QUIT":
                return

    def reply(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def read_message(self):
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        return email.message_from_bytes(b"".join(lines), policy=email.policy.default)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True


class PostOffice:
    def __init__(self):
        self.mails = []  # (recipient, message)
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.office = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def settings(self):
        return dict(EMAIL_HOST="127.0.0.1", EMAIL_PORT=self._server.server_address[1], EMAIL_USE_TLS="0", DEFAULT_FROM_EMAIL="site@example.org")

    def take(self, recipients, message):
        self.mails += [(recipient, message) for recipient in recipients]

    def to(self, recipient, word=""):
        """The subjects and texts of what a person got, whose subject has the word."""
        return [(m["Subject"], m.get_body(("plain",)).get_content()) for to, m in list(self.mails) if to == recipient and word in m["Subject"]]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
