# SPDX-License-Identifier: MIT
"""Deadlines, crowds, and the end of the server."""
import contextlib
import http.client
import json
import resource
import signal
import socket
import subprocess
import threading
import time
import unittest

from tests.http.support import PATIENCE, PROGRAM, Server, ServerCase, receive, wait_for


class Deadlines(ServerCase):
    """All deadlines at a twentieth: head 0.5 s, body 1.5 s, in all 3 s, idle 1.5 s."""

    ENVIRONMENT = {'INKLING_HTTP_DEADLINES': '0.05'}

    def drip(self, start, byte=b'x', seconds=10.0):
        """Seconds until the server closes a connection that says `start`, then a byte every 20 ms."""
        with socket.create_connection(('127.0.0.1', self.server.port)) as peer:
            peer.sendall(start.replace('@', self.server.host).encode())
            peer.settimeout(0.02)
            begun = time.monotonic()
            while time.monotonic() - begun < seconds:
                try:
                    peer.sendall(byte)
                    if not peer.recv(1000):
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            return time.monotonic() - begun

    def test_slow_heads_and_bodies_are_cut(self):
        for start, byte, low, high in (
                ('', b'G', 0.4, 2.0), ('GET / HTTP/1.1\r\nX: ', b'a', 0.4, 2.0),
                ('POST /api/v1/predict HTTP/1.1\r\nHost: @\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n', b' ', 0.1, 3.0),
                ('POST /api/v1/predict HTTP/1.1\r\nHost: @\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n', b'1\r\n \r\n', 0.1, 3.0),
                ('GET /healthz HTTP/1.1\r\nHost: @\r\n\r\nGET / HTTP/1.1\r\nX: ', b'a', 0.3, 3.0)):
            with self.subTest(start=start[:40]):
                took = self.drip(start, byte)
                self.assertGreater(took, low)
                self.assertLess(took, high)

    def test_silence_is_cut(self):
        with socket.create_connection(('127.0.0.1', self.server.port), timeout=PATIENCE) as peer:
            begun = time.monotonic()
            self.assertEqual(receive(peer), b'')
            self.assertLess(time.monotonic() - begun, 2)

    def test_an_idle_connection_is_closed_and_a_busy_one_is_not(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port, timeout=PATIENCE)
        for _ in range(12):  # 3.6 s: longer than any deadline, in pauses shorter than each
            self.ask('GET', '/healthz', connection=connection)
            own = connection.sock
            time.sleep(0.3)
        self.assertIs(own, connection.sock)
        begun = time.monotonic()
        self.assertEqual(own.recv(10), b'')
        self.assertLess(time.monotonic() - begun, 4)
        connection.close()


class Crowd(ServerCase):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < 1200 <= hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1200, hard))
        elif soft < 1200:
            raise unittest.SkipTest(f'only {hard} file descriptors')
        super().setUpClass()

    def test_a_crowd_without_requests_does_not_keep_others_out(self):
        with contextlib.ExitStack() as stack:
            for index in range(900):
                peer = stack.enter_context(socket.create_connection(('127.0.0.1', self.server.port)))
                with contextlib.suppress(OSError):
                    peer.sendall(b'GET / HTTP/1.1\r\nX: ' if index % 3 else b'')
            times = []
            for _ in range(50):
                begun = time.monotonic()
                self.assertEqual(self.ask('GET', '/healthz').status, 200)
                times.append(time.monotonic() - begun)
            self.assertLess(sorted(times)[45], 0.25)
            self.assertLess(self.server.descriptors(), 200)  # 128 of one address, and its own
        before = self.server.cpu_seconds()
        time.sleep(1)
        self.assertLess(self.server.cpu_seconds() - before, 0.3)

    def test_slow_bodies_do_not_keep_others_out(self):
        head = f'POST /api/v1/predict HTTP/1.1\r\nHost: {self.server.host}\r\nContent-Length: 100000\r\n\r\n'.encode()
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                peer = stack.enter_context(socket.create_connection(('127.0.0.1', self.server.port)))
                with contextlib.suppress(OSError):
                    peer.sendall(head)
            for _ in range(20):
                self.assertEqual(self.ask('GET', '/healthz').status, 200)


class End(unittest.TestCase):
    def test_both_signals_end_it_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = Server()
            with socket.create_connection(('127.0.0.1', server.port)):
                begun = time.monotonic()
                self.assertEqual(server.stop(number), (0, ''))
                self.assertLess(time.monotonic() - begun, 2)

    def test_what_runs_is_finished(self):
        """SIGTERM under load: every request that was sent on an open connection before is answered."""
        server = Server()
        body = json.dumps({'instances': [[0.0] * 784] * 30})
        failures, answers, stopping = [], [0], threading.Event()
        lock = threading.Lock()

        def load():
            while not stopping.is_set():
                connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=PATIENCE)
                try:
                    connection.connect()
                except OSError:
                    return  # nobody listens any more: that is the end
                try:
                    connection.request('POST', f'/v1/models/{server.hello["model"]}:predict', body)
                    reply = connection.getresponse()
                    if reply.status != 200 or len(json.loads(reply.read())['predictions']) != 30:
                        failures.append(reply.status)
                    with lock:
                        answers[0] += 1
                except (OSError, http.client.HTTPException) as error:
                    failures.append(repr(error))
                finally:
                    connection.close()
        threads = [threading.Thread(target=load) for _ in range(6)]
        for thread in threads:
            thread.start()
        self.assertTrue(wait_for(lambda: answers[0] > 50))
        begun = time.monotonic()
        code, said = server.stop()
        took = time.monotonic() - begun
        stopping.set()
        for thread in threads:
            thread.join()
        self.assertEqual((code, said), (0, ''))
        self.assertLess(took, 5)
        self.assertEqual(failures, [])

    def test_the_port_is_free_at_once(self):
        server = Server()
        port = server.port
        connection = http.client.HTTPConnection('127.0.0.1', port)
        connection.request('GET', '/healthz')
        connection.getresponse().read()
        server.stop()
        connection.close()
        with subprocess.Popen([PROGRAM, 'serve', '--port', str(port)], stdout=subprocess.PIPE, text=True) as again:
            self.assertIn(str(port), again.stdout.readline())
            again.terminate()
            again.communicate(timeout=PATIENCE)


if __name__ == '__main__':
    unittest.main()
