"""A page of Ulens as python-socketio: connects, subscribes, prints what happens, emits what it is told.

python ulens.py <url> <token> <transports, comma-separated>
"""

import json
import sys

import socketio

url, token, transports = sys.argv[1:]
client = socketio.Client(reconnection_delay=0.2, reconnection_delay_max=0.5)


def say(event, **rest):
    # Handlers run in threads of their own: a line has to go out in one piece.
    sys.stdout.write(json.dumps({"event": event, **rest}) + "\n")
    sys.stdout.flush()


@client.on("connect", namespace="/ws")
def connect():
    say("connect", id=client.get_sid("/ws"), transport=client.transport())
    if is_open:
        subscribe()


def subscribe():
    client.emit("SUBSCRIBE_NOTIFICATIONS", namespace="/ws", callback=lambda answer: say("subscribed", answer=answer))


@client.on("disconnect", namespace="/ws")
def disconnect(reason):
    say("disconnect", reason=reason)


@client.on("*", namespace="/ws")
def event(name, *args):
    say(name, args=args)


# Before `connect` has returned, the library ignores a disconnect.
is_open = False
client.connect(url, auth={"token": token}, namespaces=["/ws"], transports=transports.split(","))
is_open = True
subscribe()
for line in sys.stdin:
    told = json.loads(line)
    if told.get("close"):
        client.disconnect()
        break
    name = told["emit"]
    client.emit(
        name,
        *told.get("args", []),
        namespace="/ws",
        callback=lambda answer, name=name: say("ack", of=name, answer=answer),
    )
