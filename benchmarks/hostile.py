"""Hold hostile sockets against 127.0.0.1, and see whether other clients are still answered.

    python hostile.py KIND [PORT] [SECONDS]

prints JSON: "seconds" has what each other client waited for its answer, and "failed" counts those that got none;
"connects" counts what the hostile ones opened. A client whose socket the server closes keeps it for two seconds more
without closing its own side, and then opens another: SOCKETS are held all the time, at a bounded rate.
"""

import asyncio
import json
import sys
import time

SOCKETS = 200
CLIENTS_A_SECOND = 20
TIMEOUT = 5
GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n" + 500 * b"x"

# What a client sends at once, and what it then repeats each second.
KINDS = {
    "silent": (b"", b""),
    "half a header": (GET + b"X-Never: en", b""),
    "a byte a second": (GET + b"X-Slow: ", b"x"),
    "half a body": (BODY, b""),
    "answered and kept": (GET + b"\r\n", b""),
    "a garbage line": (b"\x16\x03\x01 no HTTP \xff\r\n", b""),
}


async def drip(writer, again):
    while again:
        await asyncio.sleep(1)
        writer.write(again)


async def hold(first, again, connects):
    """Open a socket, hold it until the server closes it, and two seconds more; begin again until cancelled."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        except OSError:
            await asyncio.sleep(0.5)
            continue
        connects.append(1)
        writer.write(first)
        dripping = asyncio.create_task(drip(writer, again))
        try:
            while await reader.read(4096):
                pass
            await asyncio.sleep(2)
        except OSError:
            await asyncio.sleep(0.5)
        finally:
            dripping.cancel()
            writer.transport.abort()


async def ask():
    """Return the seconds until a new client has its whole answer, or None when it had none in TIMEOUT seconds."""
    began = time.perf_counter()
    writer = None
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
            writer.write(GET + b"Connection: close\r\n\r\n")
            answer = await reader.read()
            if answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"Hello world!"):
                return time.perf_counter() - began
    except OSError:  # a TimeoutError too
        pass
    finally:
        if writer:
            writer.transport.abort()


async def main(kind, seconds):
    connects = []
    hostile = [asyncio.create_task(hold(*KINDS[kind], connects)) for _ in range(SOCKETS)]
    await asyncio.sleep(1)
    clients = []
    for _ in range(int(seconds * CLIENTS_A_SECOND)):
        clients.append(asyncio.create_task(ask()))
        await asyncio.sleep(1 / CLIENTS_A_SECOND)
    waited = await asyncio.gather(*clients)
    for task in hostile:
        task.cancel()
    await asyncio.gather(*hostile, return_exceptions=True)
    answered = [round(wait, 4) for wait in waited if wait is not None]
    print(json.dumps({"seconds": answered, "failed": len(waited) - len(answered), "connects": len(connects)}))


if __name__ == "__main__":
    PORT = int(sys.argv[2]) if sys.argv[2:] else 8080
    asyncio.run(main(sys.argv[1], float(sys.argv[3]) if sys.argv[3:] else 20))
