# SPDX-License-Identifier: MIT
"""What comes over the wire and should not: dropped without a word, and the next good message answered."""
import json
import os
import socket
import time
import unittest
import uuid

from tests.protocol.support import EchoCase, Raw, start_kernel, stop_kernel


class Wire(EchoCase):
    def setUp(self):
        self.wire = self.raw()

    def dropped(self, frames, channel='shell'):
        self.wire.send(frames, channel)
        self.assertIsNone(self.wire.receive(channel, 0.05), 'a bad message was answered')

    def test_signatures(self):
        for channel in ('shell', 'control'):
            parts = self.wire.parts('kernel_info_request')
            good = self.wire.session.sign(parts)
            bad = {
                'none': b'', 'short': good[:-1], 'one character': good[:1], 'long': good + b'0',
                'twice': good * 2, 'upper case': good.upper(), 'zeros': b'0' * 64, 'not hex': b'z' * 64,
                'first changed': (b'1' if good[:1] == b'0' else b'0') + good[1:],
                'last changed': good[:-1] + (b'1' if good[-1:] == b'0' else b'0'), 'NUL at the end': good + b'\0',
            }
            for name, signature in bad.items():
                with self.subTest(name, channel=channel):
                    if signature == good:
                        continue  # no letters in it
                    self.dropped(self.wire.frames(parts, signature), channel)
        self.wire.still_answers(self)

    def test_changed_parts(self):
        for part in range(4):
            parts = self.wire.parts('kernel_info_request')
            signature = self.wire.session.sign(parts)
            parts[part] = parts[part][:-1] + b' }'
            self.dropped(self.wire.frames(parts, signature))
        self.wire.still_answers(self)

    def test_replay(self):
        parts = self.wire.parts('execute_request', {'code': 'nothing'})
        frames = self.wire.frames(parts)
        self.wire.send(frames)
        self.assertEqual(self.wire.receive()[3]['status'], 'ok')
        self.dropped(frames)
        self.dropped(frames, 'control')
        # Forged messages do not push a signature out of memory.
        for i in range(2000):
            self.wire.send(self.wire.frames(parts, f'{i:064x}'.encode()))
        self.wire.still_answers(self)
        self.dropped(frames)

    def test_frames(self):
        parts = self.wire.parts('kernel_info_request')
        good = self.wire.frames(parts)
        bad = {
            'one empty frame': [b''], 'a word': [b'hello'], 'delimiter alone': [b'<IDS|MSG>'],
            'no delimiter': good[1:], 'many frames': [b'x'] * 1000, 'too many buffers': good + [b''] * 60,
            'too many identities': [b'a'] * 20 + good, 'header too large': None,
        }
        bad.update({f'{n} of 6': good[:n] for n in range(1, 6)})
        header = json.loads(parts[0])
        header['pad'] = 'x' * (64 << 10)
        large = [json.dumps(header).encode(), *parts[1:]]
        bad['header too large'] = self.wire.frames(large)
        for name, frames in bad.items():
            with self.subTest(name):
                self.dropped(frames)
                self.dropped(frames, 'control')
        self.wire.send([b'<IDS|MSG>', *frames])  # two delimiters: the first counts
        self.wire.still_answers(self)

    def test_headers(self):
        good = json.loads(self.wire.parts('kernel_info_request')[0])
        bad = [b'', b'{}', b'[]', b'null', b'7', b'"text"', b'{', b'\xff\xfe', b'\xef\xbb\xbf' + json.dumps(good).encode(),
               json.dumps({**good, 'msg_id': 7}).encode(), json.dumps({**good, 'msg_type': None}).encode(),
               json.dumps({**good, 'session': {}}).encode(), json.dumps(good).encode() + b' trailing',
               json.dumps(good).encode().replace(b'kernel_info', b'kernel\xff'),
               b'{"a":' * 5000 + b'1' + b'}' * 5000, json.dumps({**good, 'n': float('nan')}).encode(),
               json.dumps({**good, 'u': '\ud800'}).encode()]
        for header in bad:
            with self.subTest(header[:40]):
                parts = self.wire.parts('kernel_info_request')
                parts[0] = header
                self.dropped(self.wire.frames(parts))
        self.wire.still_answers(self)

    def test_parts_that_are_not_json_do_no_harm_where_nobody_reads_them(self):
        parts = self.wire.parts('kernel_info_request')
        parts[1], parts[2] = b'\xff', b'nonsense'
        self.wire.send(self.wire.frames(parts))
        self.assertEqual(self.wire.receive()[3]['status'], 'ok')

    def test_identities_come_back(self):
        parts = self.wire.parts('kernel_info_request')
        hops = [b'\0one', b'two' * 50, b'']
        self.wire.send([*hops, *self.wire.frames(parts)])
        sock = self.wire.socket('shell')
        self.assertTrue(sock.poll(5000))
        self.assertEqual(sock.recv_multipart()[:4], [*hops, b'<IDS|MSG>'])

    def test_noise_on_every_port(self):
        noise = [b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', b'POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n' + b'\x01\x00' * 3000,
                 b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + os.urandom(500), os.urandom(4096), b'\x00' * 100,
                 b'\xff\0\0\0\0\0\0\0\0\x7f', b'\xff' + b'\0' * 8 + b'\x7f\x03' + b'NULL' + b'\0' * 48 + b'\x06' + b'\x40' + b'\0' * 7]
        info = self.manager.get_connection_info()
        for name in ('shell', 'control', 'stdin', 'iopub', 'hb'):
            for data in noise:
                with socket.create_connection((info['ip'], info[f'{name}_port'])) as sock:
                    sock.sendall(data)
        time.sleep(0.2)
        self.wire.still_answers(self)
        heart = self.wire.socket('hb')
        heart.send_multipart([b'beat', b'', b'\xff' * 1000])
        self.assertTrue(heart.poll(5000))
        self.assertEqual(heart.recv_multipart(), [b'beat', b'', b'\xff' * 1000])

    def test_data_sent_up_iopub(self):
        import zmq
        sock = self.wire.context.socket(zmq.XSUB)
        sock.connect(self.wire.address('iopub'))
        for message in (b'\x01', b'\x01\xff\xfe', b'\x01' + b'x' * 1000, b'\x02', b'', b'noise', b'\x00'):
            sock.send(message)
        sock.send_multipart([b'\x01', b'more'])
        time.sleep(0.2)
        sock.close(0)
        self.wire.still_answers(self)
        self.assertEqual(self.client.run('say x')[0]['status'], 'ok')

    def test_a_client_that_comes_back_under_its_name(self):
        name = uuid.uuid4().hex.encode()
        for _ in range(3):
            raw = Raw(self.manager, name)
            raw.still_answers(self)
            self.addCleanup(raw.close)


class Keys(unittest.TestCase):
    def with_key(self, key, scheme='hmac-sha256'):
        from jupyter_client.session import Session
        manager = start_kernel(session=Session(key=key, signature_scheme=scheme))
        try:
            raw = Raw(manager)
            raw.session = Session(key=key, signature_scheme=scheme)
            raw.still_answers(self)
            raw.close()
        finally:
            log = stop_kernel(manager)
        return log

    def test_no_key(self):
        self.assertIn('the key is empty', self.with_key(b''))

    def test_long_key(self):
        self.with_key(b'k' * 200)

    def test_sha512(self):
        self.with_key(b'a key', 'hmac-sha512')


if __name__ == '__main__':
    unittest.main()
