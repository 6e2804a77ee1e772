#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measure `inkling serve` on loopback: exchanges a second and latencies.

    tests/bench/bench_http.py [--quick] [--json]

One connection, one request after the other, and then eight connections at once with a client process each. The client is
Python with raw sockets, so its own time (about 30 us an exchange) is in every figure. Prints a table, or one JSON object.
"""
import json
import multiprocessing
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get('INKLING', os.path.join(ROOT, 'build/inkling'))


def start():
    process = subprocess.Popen([PROGRAM, 'serve', '--port', '0', '--json'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if not select.select([process.stdout], [], [], 30)[0]:
        process.kill()
        raise RuntimeError('the server did not start')
    return process, json.loads(process.stdout.readline())


def request(hello, target, body=None, kind='application/json'):
    head = f'{"POST" if body else "GET"} {target} HTTP/1.1\r\nHost: 127.0.0.1:{hello["port"]}\r\n'
    if body:
        head += f'Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n'
    return (head + '\r\n').encode() + (body or b'')


def exchange(peer, data):
    """Send a request and read the whole reply."""
    peer.sendall(data)
    heard = peer.recv(1 << 20)
    while b'\r\n\r\n' not in heard:
        heard += peer.recv(1 << 20)
    head, _, rest = heard.partition(b'\r\n\r\n')
    if not head.startswith(b'HTTP/1.1 200'):
        raise RuntimeError(heard[:300])
    length = int(head.lower().partition(b'content-length: ')[2].split(b'\r\n')[0])
    while len(rest) < length:
        rest += peer.recv(1 << 20)


def latencies(port, data, seconds):
    """Microseconds of each exchange on one connection."""
    found = []
    with socket.create_connection(('127.0.0.1', port)) as peer:
        for _ in range(20):
            exchange(peer, data)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            begun = time.perf_counter()
            exchange(peer, data)
            found.append((time.perf_counter() - begun) * 1e6)
    return found


def count(port, data, seconds, results):
    results.put(len(latencies(port, data, seconds)))


def together(port, data, seconds, clients=8):
    """Exchanges a second of several clients, each in a process of its own."""
    results = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=count, args=(port, data, seconds, results)) for _ in range(clients)]
    for process in processes:
        process.start()
    total = sum(results.get(timeout=seconds + 30) for _ in processes)
    for process in processes:
        process.join()
    return total / seconds


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat', encoding='ascii') as file:
        fields = file.read().rsplit(') ', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def main(arguments):
    seconds = 0.5 if '--quick' in arguments else 3.0
    process, hello = start()
    try:
        picture = [[round(max(0.0, 1 - abs(x - 14) / 3), 3) if 4 < y < 24 else 0.0 for x in range(28)] for y in range(28)]
        tensor = [[[value] for value in row] for row in picture]
        model = f'/v1/models/{hello["model"]}:predict'
        strokes = json.dumps({'strokes': [[60, 50, 210, 50, 110, 240]]}).encode()
        frame = json.dumps({'type': 'strokes', 'seq': 1, 'id': 'bench', 'size': 280, 'brush': 22, 'final': False, 'layers': 2,
                            'strokes': [[60, 50, 210, 50, 110, 240]]}).encode()
        cases = [('GET /healthz', request(hello, '/healthz'), 1), ('predict, strokes', request(hello, '/api/v1/predict', strokes), 1),
                 ('view, 2 layers', request(hello, '/api/v1/view', frame), 1),
                 ('TF Serving, 1 picture', request(hello, model, json.dumps({'instances': [tensor]}).encode()), 1),
                 ('TF Serving, 100 pictures', request(hello, model, json.dumps({'instances': [tensor] * 100}).encode()), 100)]
        rows = []
        for name, data, pictures in cases:
            one = latencies(hello['port'], data, seconds)
            before = cpu_seconds(process.pid)
            rate = together(hello['port'], data, seconds)
            used = cpu_seconds(process.pid) - before
            rows.append({'name': name, 'p50_us': statistics.median(one), 'p99_us': sorted(one)[int(len(one) * 0.99)], 'pictures_per_s': rate * pictures,
                         'requests_per_s': rate, 'cpu_us': used / (rate * seconds) * 1e6 if rate else None})
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    if '--json' in arguments:
        print(json.dumps(rows))
        return
    print(f'{"inkling serve":26} {"p50 us":>8} {"p99 us":>8} {"req/s (8)":>10} {"pictures/s":>11} {"cpu us/req":>11}')
    for row in rows:
        print(f'{row["name"]:26} {row["p50_us"]:8.0f} {row["p99_us"]:8.0f} {row["requests_per_s"]:10.0f} {row["pictures_per_s"]:11.0f} {row["cpu_us"]:11.0f}')


if __name__ == '__main__':
    main(sys.argv[1:])
