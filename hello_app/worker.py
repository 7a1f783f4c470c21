"""gunicorn's asgi worker, running a WSGI app.

An event loop holds the sockets, and a thread runs the app only while there is something to run: a client that is slow
to send its request or to take its answer costs some memory, and not the thread that the others wait for.
"""

import asyncio
import collections
import contextvars
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote_to_bytes, urlsplit

from gunicorn.workers.gasgi import ASGIWorker

# Bytes of a request's body that have to be there before a thread is taken; the app reads the rest as it comes.
READ_AHEAD = 65536


class Worker(ASGIWorker):
    """A gunicorn worker that calls the WSGI app (PEP 3333) in as many threads as the setting `threads` says."""

    @classmethod
    def check_config(cls, cfg, log):
        """Accept every setting: the parent warns that it has no use for `threads`."""

    def load_wsgi(self):
        super().load_wsgi()
        self.wsgi, self.asgi = self.asgi, self.answer
        self.threads = ThreadPoolExecutor(self.cfg.threads)
        self.handed_over, self.waking = collections.deque(), False

    async def answer(self, scope, receive, send):
        """Answer one request, as an ASGI 3 app; raise what the WSGI app raises."""
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close"})
        body = Body(receive, self.loop)
        try:
            while body.more and len(body.chunk) < READ_AHEAD:
                body.add(await receive())
        except ConnectionError:
            await send({"type": "http.response.start", "status": 408, "headers": [(b"content-length", b"0")]})
            return await send({"type": "http.response.body"})

        response = respond(self.wsgi, wsgi_environ(scope, body))
        run = contextvars.copy_context().run
        more = True
        try:
            while more:
                step = self.loop.create_future()
                job = self.threads.submit(run, self.advance, response, step)
                for message in await step:
                    await send(message)
                    more = message.get("more_body")
        finally:
            if more:  # The client left, maybe during a step that goes on: close after it, and in a thread.
                job.add_done_callback(lambda job: self.threads.submit(run, self.close, response))

    def advance(self, response, step):
        """Hand over the response's next messages, or what the app raised; close it after the last ones are sent."""

        def hand_over(settle, value):
            self.handed_over.append(lambda: step.done() or settle(value))
            if not self.waking:
                self.waking = True
                self.loop.call_soon_threadsafe(self.take_over)

        try:
            messages = next(response)
        except BaseException as error:
            return hand_over(step.set_exception, error)
        hand_over(step.set_result, messages)
        if not messages[-1].get("more_body"):
            self.close(response)

    def take_over(self):
        """Settle all that the threads handed over: to wake the loop for each costs a tenth of the requests."""
        self.waking = False  # Before the rest: what is handed over from here on wakes the loop once more.
        while self.handed_over:
            self.handed_over.popleft()()

    def close(self, response):
        try:
            response.close()
        except Exception:
            self.log.exception("Error closing the response")


class Body(io.RawIOBase):
    """A request's body: what came so far in `chunk`, and whether there is `more`; read in a thread."""

    def __init__(self, receive, loop):
        self.receive, self.loop = receive, loop
        self.chunk, self.more = b"", True

    def add(self, message):
        """Take in an ASGI message; raise ConnectionError when the client left, or stalled for gunicorn's `timeout`."""
        if message["type"] == "http.disconnect":
            raise ConnectionError("the request's body ended early")
        self.chunk += message["body"]
        self.more = message["more_body"]

    def readable(self):
        return True

    def readinto(self, buffer):
        while self.more and not self.chunk:
            self.add(asyncio.run_coroutine_threadsafe(self.receive(), self.loop).result())
        size = min(len(buffer), len(self.chunk))
        buffer[:size], self.chunk = self.chunk[:size], self.chunk[size:]
        return size


def wsgi_environ(scope, body):
    """Return the WSGI environ (PEP 3333) of an ASGI scope and a Body."""
    path, host = scope["raw_path"], None
    if not path.startswith(b"/"):  # RFC 9112 section 3.2.2: a whole URL, and its host counts, not the header's
        _, host, path, *_ = urlsplit(path)
    (server, port), (client, client_port) = scope["server"] or ("", ""), scope["client"] or ("", "")
    values = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": client,
        "REMOTE_PORT": str(client_port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BufferedReader(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        value = value.decode("latin-1")
        values[key] = f"{values[key]},{value}" if key in values else value
    if host:
        values["HTTP_HOST"] = host.decode("latin-1")
    return values


def respond(app, environ):
    """Call a WSGI app, and yield its response: lists of ASGI messages, each of what is there to be sent at once."""
    messages, left = None, None  # what is not yielded yet; the bytes that Content-Length still promises

    def start_response(status, headers, exc_info=None):
        nonlocal messages, left
        if exc_info and messages == []:
            raise exc_info[1]
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        left = next((int(value) for name, value in headers if name == b"content-length"), None)
        messages = [{"type": "http.response.start", "status": int(status[:3]), "headers": headers}]
        return write

    def write(chunk):
        nonlocal left
        left = None if left is None else left - len(chunk)
        messages.append({"type": "http.response.body", "body": chunk, "more_body": left is None or left > 0})

    chunks = app(environ, start_response)
    try:
        for chunk in chunks:
            write(chunk)
            yield messages
            messages = []
        messages.append({"type": "http.response.body", "more_body": False})
        yield messages
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
