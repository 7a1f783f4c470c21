"""Ask HOST for PATH by GET and POST from NUMBER clients until standard input ends.

Print a line when as many answers have come, and at the end how often each came. Half of
the clients keep a connection for 3 s, as a proxy does: Kubernetes' preStop gives it 5 s
to leave one.
"""

import concurrent.futures
import http.client
import json
import sys
import threading
import time
from collections import Counter

host, path, number = sys.argv[1:]
over, answers = threading.Event(), []


def client(number, until=0):
    method, seconds = ("GET", "POST")[number % 2], 3 * (number % 4 > 1)
    while not over.is_set():
        if time.monotonic() >= until:
            connection = http.client.HTTPConnection(host, timeout=60)
            until = time.monotonic() + seconds
        try:
            connection.request(method, path)
            with connection.getresponse() as answer:
                answer.read()
            answers.append(f"{method} {answer.status}")
        except Exception as error:
            answers.append(f"{method} {error!r}")
            until = 0


with concurrent.futures.ThreadPoolExecutor(int(number)) as pool:
    pool.map(client, range(int(number)))
    while len(answers) < int(number):
        time.sleep(0.01)
    print("all have begun", flush=True)
    sys.stdin.read()
    over.set()
print(json.dumps(Counter(answers)))
