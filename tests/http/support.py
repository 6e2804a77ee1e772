# SPDX-License-Identifier: MIT
"""A server of our own for each test class, raw sockets, and pictures to send."""
import contextlib
import gzip
import http.client
import json
import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get('INKLING', os.path.join(ROOT, 'build/inkling'))
DATA = os.environ.get('INKLING_DATA', os.path.join(ROOT, '../shared/data'))
PATIENCE = 30


class Server:
    """`inkling serve` on a free port."""

    def __init__(self, *options, **changes):
        self.process = subprocess.Popen([PROGRAM, 'serve', '--port', '0', '--json', *options],
                                        env={**os.environ, **changes}, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else b''
        if not line:
            self.process.kill()
            raise RuntimeError(f'no server: {self.process.communicate()[1].decode()}')
        self.hello = json.loads(line)
        self.port = self.hello['port']
        self.host = f'127.0.0.1:{self.port}'

    def stop(self, number=signal.SIGTERM):
        """Its exit code and what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said.decode()

    def memory(self):
        """Resident bytes."""
        with open(f'/proc/{self.process.pid}/statm', encoding='ascii') as file:
            return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def cpu_seconds(self):
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as file:
            fields = file.read().rsplit(') ', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json['error']


class ServerCase(unittest.TestCase):
    """One server for the class; every test leaves it healthy."""

    OPTIONS = ()
    ENVIRONMENT = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.OPTIONS, **cls.ENVIRONMENT)

    @classmethod
    def tearDownClass(cls):
        code, said = cls.server.stop()
        if code != 0 or said:
            raise AssertionError(f'the server ended with {code}: {said}')

    def tearDown(self):
        self.assertEqual(self.ask('GET', '/healthz').json, {'status': 'ok'})

    def ask(self, method, target, body=None, headers=None, connection=None):
        """One request, on a connection of its own if none is given."""
        own = connection or http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=PATIENCE)
        try:
            own.request(method, target, body, headers or {})
            reply = own.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            if not connection:
                own.close()

    def post(self, target, value, **headers):
        """A JSON value."""
        return self.ask('POST', target, json.dumps(value), {'Content-Type': 'application/json', **headers})

    def raw(self, data, seconds=PATIENCE, close=False):
        """What comes back for these bytes until the server closes; `@` stands for its own host."""
        with socket.create_connection(('127.0.0.1', self.server.port), timeout=seconds) as peer:
            data = data if isinstance(data, bytes) else data.encode('latin-1')
            with contextlib.suppress(OSError):
                peer.sendall(data.replace(b'@', self.server.host.encode()))
                if close:
                    peer.shutdown(socket.SHUT_WR)
            return receive(peer)


def receive(peer):
    """Everything up to the end of the stream."""
    heard = b''
    with contextlib.suppress(ConnectionResetError):
        while part := peer.recv(65536):
            heard += part
    return heard


def statuses(heard):
    """The status codes of the replies in a stream; each has a Content-Length."""
    found = []
    while heard:
        head, _, rest = heard.partition(b'\r\n\r\n')
        lines = head.decode('latin-1').split('\r\n')
        found.append(int(lines[0].split()[1]))
        length = [int(line.split(':')[1]) for line in lines if line.lower().startswith('content-length:')]
        heard = rest[length[0] if length else 0:]
    return found


def png(pixels, width=28, height=28, channels=1):
    """A PNG of [height][width][channels] bytes; one channel is grey, three are RGB."""
    def chunk(name, data):
        return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
    stride = width * channels
    rows = b''.join(b'\0' + bytes(pixels[y * stride:(y + 1) * stride]) for y in range(height))
    header = struct.pack('>IIBBBBB', width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')


def mnist_test(count):
    """The first rows of MNIST's test set as [784] bytes, with their labels; None where it is missing."""
    found = []
    for name, header in (('t10k-images-idx3-ubyte', 16), ('t10k-labels-idx1-ubyte', 8)):
        path = os.path.join(DATA, 'mnist', name)
        if os.path.exists(path):
            with open(path, 'rb') as file:
                found.append(file.read()[header:])
        elif os.path.exists(path + '.gz'):
            with gzip.open(path + '.gz') as file:
                found.append(file.read()[header:])
        else:
            return None
    return [found[0][i * 784:(i + 1) * 784] for i in range(count)], list(found[1][:count])


needs_mnist = unittest.skipUnless(mnist_test(1), f'MNIST is not in {DATA}')


def seven():
    """Strokes of a plain seven on a canvas of 280."""
    return [[60, 50, 210, 50, 110, 240]]


def in_threads(count, function):
    """Run function(index) in as many threads; the results, or the first exception."""
    results, errors = [None] * count, []

    def run(index):
        try:
            results[index] = function(index)
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)
    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def wait_for(condition, seconds=PATIENCE):
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
