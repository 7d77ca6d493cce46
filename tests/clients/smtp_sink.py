"""A mail server that keeps what it accepts, and misbehaves when told.

Prints {"event":"listening","port":N}, then one {"event":"mail",…} for each mail, when it has accepted it, and one
{"event":"fault",…} for each fault. Reads {"do":"listen","on":bool} and {"do":"faults",…} with the probability of a
fault in every command, `kinds` and a `seed`, and {"do":"slow","seconds":S}.

A recipient that begins with `reply-<code>` gets that code, always.
"""

import asyncio
import email
import email.policy
import json
import random
import re
import sys
import threading

from aiosmtpd.smtp import SMTP


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Sink:
    def __init__(self):
        self.random = random.Random(0)
        self.probability = 0.0
        self.kinds = []
        self.slow = 0.0
        self.connections = 0

    async def fault(self, server, stage):
        """None, or what to answer; does not return when it stalls."""
        if self.random.random() >= self.probability:
            return None
        kind = self.random.choice(self.kinds)
        say(event="fault", stage=stage, kind=kind)
        if kind == "stall":
            await asyncio.Event().wait()
        if kind == "drop":
            server.transport.abort()
            await asyncio.Event().wait()
        return f"{kind} not now"

    async def handle_MAIL(self, server, session, envelope, address, options):
        fault = await self.fault(server, "MAIL")
        if fault:
            return fault
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        wanted = re.match(r"reply-(\d+)", address)
        if wanted:
            return f"{wanted[1]} no such mailbox: {address}"
        fault = await self.fault(server, "RCPT")
        if fault:
            return fault
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        fault = await self.fault(server, "DATA")
        if fault:
            return fault
        await asyncio.sleep(self.slow)
        say(event="mail", **read(envelope))
        return "250 kept"


def read(envelope):
    raw = envelope.original_content
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    part = lambda kind: (found := mail.get_body((kind,))) and found.get_content()
    return {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "headers": [[name, str(value)] for name, value in mail.items()],
        "defects": [str(d) for p in mail.walk() for d in p.defects],
        "types": [p.get_content_type() for p in mail.walk()],
        "plain": part("plain"),
        "html": part("html"),
        "raw": raw.decode("ascii", "replace"),
    }


class Protocol(SMTP):
    def connection_made(self, transport):
        sink = self.event_handler
        sink.connections += 1
        if "drop" in sink.kinds and sink.random.random() < sink.probability:
            say(event="fault", stage="connect", kind="drop")
            transport.abort()
            return
        super().connection_made(transport)

    def connection_lost(self, error):
        if self.transport is not None:
            super().connection_lost(error)


async def main():
    loop = asyncio.get_running_loop()
    sink = Sink()
    told = asyncio.Queue()
    make = lambda: Protocol(sink, hostname="sink.example", enable_SMTPUTF8=False, loop=loop)
    server = await loop.create_server(make, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def listen():
        for line in sys.stdin:
            loop.call_soon_threadsafe(told.put_nowait, json.loads(line))
        loop.call_soon_threadsafe(told.put_nowait, None)

    threading.Thread(target=listen, daemon=True).start()
    say(event="listening", port=port)
    while (order := await told.get()) is not None:
        if order["do"] == "listen":
            if server and not order["on"]:
                server.close()
                server = None
            elif not server and order["on"]:
                server = await loop.create_server(make, "127.0.0.1", port)
        elif order["do"] == "faults":
            sink.random = random.Random(order["seed"])
            sink.probability, sink.kinds = order["probability"], order["kinds"]
        elif order["do"] == "slow":
            sink.slow = order["seconds"]
        say(event="done", order=order["do"])


asyncio.run(main())
