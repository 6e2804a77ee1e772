# SPDX-License-Identifier: MIT
"""What clients should never send: a clear refusal for each, nothing smuggled, nothing left behind."""
import base64
import json
import random
import socket
import statistics
import struct
import time
import unittest
import zlib

from tests.http.support import PATIENCE, ServerCase, in_threads, png, statuses, wait_for

GET = 'GET /healthz HTTP/1.1\r\nHost: @\r\n'
POST = 'POST /api/v1/predict HTTP/1.1\r\nHost: @\r\nContent-Type: application/json\r\n'
HIDDEN = 'GET /status HTTP/1.1\r\nHost: @\r\n\r\n'  # must never be answered


class Smuggling(ServerCase):
    def refuse(self, data, *allowed):
        heard = self.raw(data)  # the server closes; who stops sending within a body may get no reply
        self.assertTrue(heard.startswith(b'HTTP/1.1 '), (data, heard))
        self.assertIn(int(heard.split()[1]), allowed or (400,), (data, heard))
        self.assertNotIn(b'"layers"', heard, data)  # of the hidden request
        self.assertNotIn(b' 200 OK', heard, data)

    def test_framing(self):
        for fields in ('Content-Length: 0\r\nContent-Length: 60', 'Content-Length: 60\r\nContent-Length: 0', 'Content-Length: 0, 60',
                       'Content-Length: 0\r\nTransfer-Encoding: chunked', 'Transfer-Encoding: chunked\r\nContent-Length: 0',
                       'Transfer-Encoding: xchunked', 'Transfer-Encoding: chunked, identity', 'Transfer-Encoding: identity, chunked',
                       'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', 'Transfer-Encoding : chunked', 'Content-Length : 0',
                       'Transfer-Encoding:\x0bchunked', 'Transfer-Encoding: "chunked"', 'X: y\r\n Transfer-Encoding: chunked',
                       'Content-Length:\r\n 0', 'X: a\0b', 'X\0: a', 'X: a\rTransfer-Encoding: chunked', 'X: a\nContent-Length: 0', '\x00: 1',
                       'no colon', ': no name', 'X Y: 1', 'Content-Length: -0', 'Content-Length: +0', 'Content-Length: 0x0',
                       'Content-Length: 0 0', 'Content-Length: ', 'Expect: nonsense\r\nContent-Length: 2'):
            with self.subTest(fields=fields):
                self.refuse(f'{POST}{fields}\r\n\r\n0\r\n\r\n{HIDDEN}', 400, 417)

    def test_lines(self):
        for line in ('GET  /healthz  HTTP/9.9', 'GET /healthz HTTP/2.0', 'GET /healthz', 'GET', ' GET /healthz HTTP/1.1', 'G\0T /healthz HTTP/1.1',
                     'GET /heal thz HTTP/1.1', 'GET healthz HTTP/1.1', 'GET http://evil/ HTTP/1.1', 'GET //\xff HTTP/1.1', 'G@T / HTTP/1.1',
                     'GET /\x7f HTTP/1.1', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', 'PRI * HTTP/2.0'):
            with self.subTest(line=line):
                heard = self.raw(f'{line}\r\nHost: @\r\n\r\n{HIDDEN}', close=True)
                self.assertNotIn(b'"layers"', heard)
                self.assertNotIn(b' 200 OK', heard)

    def test_chunks(self):
        head = POST + 'Transfer-Encoding: chunked\r\n\r\n'
        for body in ('zz\r\n{}\r\n0\r\n\r\n', '-1\r\n{}\r\n0\r\n\r\n', '2\r\n{}}}\r\n0\r\n\r\n', '2 \r\n{}\r\n0\r\n\r\n', '\r\n{}\r\n0\r\n\r\n',
                     '0x2\r\n{}\r\n0\r\n\r\n', 'ffffffffffffffff\r\n{}', '10000000000000000\r\n{}', '2;' + 'x' * 70000 + '\r\n{}\r\n0\r\n\r\n'):
            with self.subTest(body=body[:30]):
                heard = self.raw(head + body + HIDDEN, close=True)
                self.assertNotIn(b'"layers"', heard)
                self.assertNotIn(b' 200 OK', heard)

    def test_one_answer_whatever_the_framing(self):
        """Random pairs of framings: what is read as one request is never read as two."""
        rng = random.Random(20261120)
        parts = ['Content-Length: 5', 'Content-Length: 0', 'content-length: 5', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity',
                 'Transfer-Encoding:chunked', 'Content-Length:5', 'X-A: b', 'Connection: keep-alive', 'Content-Length: 05']
        for _ in range(300):
            fields = '\r\n'.join(rng.sample(parts, rng.randrange(1, 4)))
            body = rng.choice(['0\r\n\r\n', 'abcde', '5\r\nabcde\r\n0\r\n\r\n', ''])
            data = f'{POST}{fields}\r\n\r\n{body}GET /status HTTP/1.1\r\nHost: @\r\nConnection: close\r\n\r\n'
            heard = self.raw(data, close=True)
            lengths = [field for field in fields.lower().split('\r\n') if field.startswith(('content-length', 'transfer'))]
            if len(lengths) > 1:
                self.assertNotIn(b'"layers"', heard, data)

    def test_pipelining(self):
        body = json.dumps({'strokes': []})
        post = f'{POST}Content-Length: {len(body)}\r\n\r\n{body}'
        heard = self.raw((GET + '\r\n') * 50 + post * 20 + GET + 'Connection: close\r\n\r\n')
        self.assertEqual(statuses(heard), [200] * 71)

    def test_odd_but_legal(self):
        for data in (f'{GET}Connection: close\r\nX:\r\n\r\n', f'{GET}Connection: close\r\nX: a  \t \r\n\r\n', '\r\n' + f'{GET}Connection: close\r\n\r\n',
                     f'{GET}connection: CLOSE\r\nx-y_z!#: \x80\xff\r\n\r\n', 'GET /healthz HTTP/1.0\r\n\r\n',
                     'GET /healthz?a=b&c HTTP/1.1\r\nHost: @\r\nConnection: close\r\n\r\n', f'{GET}Content-Length: 3\r\nConnection: close\r\n\r\nabc',
                     POST + 'Transfer-Encoding: CHUNKED\r\nConnection: close\r\n\r\n0E\r\n{"strokes":[]}\r\n0\r\nTrailer: x\r\n\r\n'):
            with self.subTest(data=data):
                heard = self.raw(data)
                self.assertEqual(statuses(heard), [200], heard)

    def test_chunk_extensions_are_ignored_or_refused(self):
        """Nobody sends them; libmicrohttpd 1.0 refuses what 0.9 skips."""
        heard = self.raw(POST + 'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nE;x=y\r\n{"strokes":[]}\r\n0\r\n\r\n')
        self.assertIn(statuses(heard), ([200], [400]))


class Sizes(ServerCase):
    def test_heads(self):
        for data, status in ((f'{GET}X: {"a" * 100000}\r\n\r\n', 431), (GET + 'X: a\r\n' * 64 + '\r\n', 431),
                             ('GET /' + 'a' * 3000 + ' HTTP/1.1\r\nHost: @\r\n\r\n', 414), (f'{GET}{"a" * 20000}: b\r\n\r\n', 431),
                             (f'{GET}X: {"a" * 16384}\r\n\r\n', 431), ('GET /' + 'a' * 100000 + ' HTTP/1.1\r\nHost: @\r\n\r\n', 414)):
            heard = self.raw(data)
            self.assertEqual(int(heard.split()[1]), status, (data[:60], heard))
        self.assertEqual(statuses(self.raw(GET + 'X: a\r\n' * 62 + 'Connection: close\r\n\r\n')), [200])

    def test_bodies(self):
        limit = 8 << 20
        for size, status in ((limit, 422), (limit + 1, 413), (limit + 200000, 413)):
            reply = self.ask('POST', '/api/v1/predict', b' ' * size, {'Content-Type': 'application/json'})
            self.assertEqual(reply.status, status)
        for size in (limit + 1, 1 << 40, 10 ** 18, 10 ** 30):
            heard = self.raw(f'{POST}Content-Length: {size}\r\nExpect: 100-continue\r\n\r\n')
            self.assertTrue(heard.startswith(b'HTTP/1.1 413'), heard)

    def test_a_body_without_end_is_cut(self):
        before = self.server.memory()
        with socket.create_connection(('127.0.0.1', self.server.port), timeout=PATIENCE) as peer:
            peer.sendall((POST + 'Transfer-Encoding: chunked\r\n\r\n').replace('@', self.server.host).encode())
            sent = 0
            try:
                while sent < 64 << 20:
                    peer.sendall(b'10000\r\n' + b' ' * 65536 + b'\r\n')
                    sent += 65536
            except OSError:
                pass
        self.assertLess(sent, 16 << 20)
        self.assertLess(self.server.memory() - before, 32 << 20)

    def test_many_small_chunks(self):
        body = b'{"strokes":[]' + b' ' * 100000 + b'}'
        chunks = b''.join(b'1\r\n' + body[i:i + 1] + b'\r\n' for i in range(len(body)))
        start = time.monotonic()
        heard = self.raw((POST + 'Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n').encode() + chunks + b'0\r\n\r\n')
        self.assertEqual(statuses(heard), [200])
        self.assertLess(time.monotonic() - start, 5)

    def test_json_bombs_cost_little(self):
        start_memory = self.server.memory()
        tensor = f'/v1/models/{self.server.hello["model"]}:predict'
        bombs = (b'[' * 1000000, b'{"a":' * 500000, b'[' * 100001 + b']' * 100001, b'[' + b'0,' * 4000000 + b'0]', b'[' + b'[],' * 2500000 + b'[]]',
                 b'9' * 8000000, b'"' + b'\\u0041' * 1000000 + b'"', b'{"strokes":' + b'[' * 99 + b']' * 99 + b'}', b'\xff' * 1000000,
                 b'{"strokes":[[' + b'1,' * 1000000 + b'1]]}', b'{' + b'"a":1,' * 1000000 + b'"a":1}', b'-' * 1000000, b'{"image":"' + b'A' * 7000000 + b'"}')
        for bomb in bombs:
            for target in ('/api/v1/predict', '/api/v1/view', tensor):
                with self.subTest(bomb=bomb[:20], target=target):
                    start = time.monotonic()
                    reply = self.ask('POST', target, bomb, {'Content-Type': 'application/json'})
                    self.assertIn(reply.status, (400, 413, 422), reply.body[:200])
                    self.assertLessEqual(len(reply.body), 700)
                    self.assertLess(time.monotonic() - start, 3)
        for wrapped in (b'{"instances":%s}', b'{"inputs":%s}', b'{"x":%s,"instances":[[0]]}', b'{"instances":[%s]}'):
            for bomb in bombs[:8]:
                reply = self.ask('POST', tensor, wrapped % bomb[:8000000])
                self.assertIn(reply.status, (400, 413), reply.body[:200])
        self.assertLess(self.server.memory() - start_memory, 96 << 20)


class Paths(ServerCase):
    def test_traversal(self):
        for path in ('/../etc/passwd', '/..%2f..%2fetc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/page.js/../../etc/passwd', '/./page.js',
                     '/..\\..\\etc\\passwd', '/%00', '/page.js%00.html', '/%0d%0aX:y', '/%', '/%zz', '/%ff', '/a%2f..%2fb', '//../x',
                     '/v1/models/../../etc/passwd', '/v1/models/%2e%2e', '/mnist/image/../../x', '/mnist/image/%2e%2e%2f1'):
            heard = self.raw(f'GET {path} HTTP/1.1\r\nHost: @\r\nConnection: close\r\n\r\n')
            self.assertIn(int(heard.split()[1]), (400, 404), (path, heard))
            self.assertNotIn(b'root:', heard)
            self.assertNotIn(b'\r\nX:y', heard)

    def test_error_texts_are_json_whatever_they_quote(self):
        for path in ('/%22%3cscript%3e', '/%c3%a4%c3%b6', '/' + '%e2%82%ac' * 60, '/a' + '%e2%82%ac' * 60, '/ab' + '%e2%82%ac' * 60, "/'\"\\"):
            reply = self.ask('GET', path.replace('"', '%22').replace('\\', '%5c'))
            self.assertEqual(reply.status, 404)
            self.assertIsInstance(reply.error, str)
        for label in ('%e2%82%ac' * 12, '%22' * 20, 'a' + '%e2%82%ac' * 12, '%e2%82%ac' * 5 + '%c3%a4' * 10):
            reply = self.ask('GET', f'/v1/models/{label}')
            self.assertEqual(reply.status, 404)
            self.assertIsInstance(reply.error, str)


class Pictures(ServerCase):
    def test_bombs(self):
        def chunk(name, data):
            return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        def bomb(width, height, size):
            header = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
            return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(bytes(size), 9)) + chunk(b'IEND', b'')
        before = self.server.memory()
        for data in (bomb(28, 28, 400 << 20), bomb(16000, 16000, 1 << 20), bomb(0, 0, 10), bomb(0x7fffffff, 0x7fffffff, 10), bomb(100000, 1, 100001)):
            start = time.monotonic()
            reply = self.ask('POST', '/api/v1/predict', data, {'Content-Type': 'image/png'})
            self.assertIn(reply.status, (200, 413, 422), reply.body)
            self.assertLess(time.monotonic() - start, 3)
        self.assertLess(self.server.memory() - before, 96 << 20)

    def test_mutants(self):
        rng = random.Random(7)
        whole = png([(x * y) % 256 for y in range(60) for x in range(60)], 60, 60)
        for turn in range(200):
            data = bytearray(whole[:rng.randrange(1, len(whole) + 1)] if turn % 2 else whole)
            for _ in range(rng.randrange(1, 8)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            body = bytes(data)
            if turn % 3 == 0:
                reply = self.ask('POST', f'/v1/models/{self.server.hello["model"]}:predict',
                                 json.dumps({'instances': [{'b64': base64.b64encode(body).decode()}]}))
                self.assertIn(reply.status, (200, 400, 413), reply.body)
            else:
                reply = self.ask('POST', '/api/v1/predict', body, {'Content-Type': 'image/png'})
                self.assertIn(reply.status, (200, 413, 422), reply.body)


class Leaving(ServerCase):
    def test_clients_that_leave_take_nothing_along(self):
        """Half a request, then gone; also while the answer is made."""
        for _ in range(20):
            self.ask('GET', '/healthz')
        descriptors = self.server.descriptors()
        body = json.dumps({'instances': [[0.0] * 784] * 2}).encode()
        request = (f'POST /v1/models/{self.server.hello["model"]}:predict HTTP/1.1\r\nHost: {self.server.host}\r\n'
                   f'Content-Length: {len(body)}\r\n\r\n').encode() + body

        def run(index):
            rng = random.Random(index)
            for _ in range(60):
                with socket.create_connection(('127.0.0.1', self.server.port)) as peer:
                    peer.sendall(request[:rng.choice([rng.randrange(1, 200), len(request) // 2, len(request)])])
                    if rng.random() < 0.5:  # a reset rather than an end
                        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))

        memory = []
        for _ in range(30):
            in_threads(4, run)
            self.assertTrue(wait_for(lambda: self.server.descriptors() <= descriptors + 2))
            memory.append(self.server.memory())
        # The server keeps room for the most connections it ever had at once, so a single round may grow;
        # what clients leave behind makes every round grow.
        grown = statistics.median(after - before for before, after in zip(memory, memory[1:]))
        self.assertLess(grown, 240 * 100, memory)

    def test_a_reader_that_does_not_read(self):
        """Its answer waits in the server; others are served, and nothing is left when it goes."""
        descriptors = self.server.descriptors()
        with socket.create_connection(('127.0.0.1', self.server.port)) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            body = json.dumps([{'pixels': [0] * 784, 'verbose': True}] * 16).encode()
            head = (f'POST /api/v1/predict HTTP/1.1\r\nHost: {self.server.host}\r\nContent-Type: application/json\r\n'
                    f'Connection: close\r\nContent-Length: {len(body)}\r\n\r\n').encode()
            peer.sendall(head + body)
            for _ in range(20):
                self.assertEqual(self.ask('GET', '/healthz').status, 200)
            self.assertGreater(len(peer.recv(1000)), 0)
        self.assertTrue(wait_for(lambda: self.server.descriptors() <= descriptors))


if __name__ == '__main__':
    unittest.main()
