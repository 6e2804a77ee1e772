# SPDX-License-Identifier: MIT
"""Kernels to test, and clients to test them with.

ECHO_KERNEL names the echo kernel (default: built here with the sanitizers), INKLING the program.
"""
import functools
import json
import os
import queue
import shutil
import subprocess
import tempfile
import time
import unittest
import uuid

import zmq
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.session import Session

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INKLING = os.environ.get('INKLING', os.path.join(ROOT, 'build/inkling'))
TIMEOUT = 20


@functools.lru_cache(None)
def echo_program():
    """The echo kernel, with ASan and UBSan."""
    path = os.environ.get('ECHO_KERNEL')
    if not path:
        path = os.path.join(ROOT, 'build/asan/tests/echo_kernel')
        subprocess.run(['make', '--no-print-directory', '-C', ROOT, 'V=asan', 'build/asan/tests/echo_kernel'],
                       check=True, stdout=subprocess.DEVNULL)
    return path


def echo_argv():
    return [echo_program(), '{connection_file}']


def inkling_argv():
    return [INKLING, 'kernel', '-f', '{connection_file}']


def has_inkling():
    return os.access(INKLING, os.X_OK)


class Manager(KernelManager):
    """Starts one program, whatever kernelspecs are installed."""

    program = ()
    mode = 'message'

    @property
    def kernel_spec(self):
        return KernelSpec(argv=list(self.program), display_name='test', language='test', interrupt_mode=self.mode)


def start_kernel(argv=None, mode='message', **traits):
    """A kernel that runs, and the manager that started it."""
    manager = Manager(**traits)
    manager.program = argv or echo_argv()
    manager.mode = mode
    folder = tempfile.mkdtemp(prefix='ink-protocol-')
    manager.connection_file = os.path.join(folder, 'connection.json')
    manager.test_folder = folder
    if manager.transport == 'ipc':
        manager.ip = os.path.join(folder, 'socket')
    manager.test_log = open(os.path.join(folder, 'stderr'), 'wb')  # open as long as it may be restarted
    manager.start_kernel(stderr=manager.test_log, env={**os.environ, 'INKLING_LOG': 'warn'})
    return manager


def stop_kernel(manager):
    """End it, and read what its sanitizers have to say."""
    if manager.has_kernel:
        manager.shutdown_kernel()
    manager.cleanup_resources()
    manager.test_log.close()
    with open(manager.test_log.name, encoding='utf-8', errors='replace') as log:
        text = log.read()
    shutil.rmtree(manager.test_folder, ignore_errors=True)
    if 'Sanitizer' in text or 'runtime error' in text:
        raise AssertionError('the kernel\'s stderr:\n' + text)
    return text


def kernel_pid(manager):
    provisioner = manager.provisioner
    return provisioner.pid if provisioner.pid else provisioner.process.pid


class Client:
    """A blocking client that keeps what it has seen on iopub."""

    def __init__(self, manager, wait=True):
        # manager.client() would give all clients one identity, and the newest would get all replies.
        self.kc = BlockingKernelClient(connection_file=manager.connection_file)
        self.kc.load_connection_file()
        self.kc.start_channels()
        self.seen = []
        if wait:
            self.kc.wait_for_ready(timeout=TIMEOUT)

    def close(self):
        self.kc.stop_channels()

    @property
    def session(self):
        return self.kc.session

    def send(self, msg_type, content=None, channel='shell', **kwargs):
        """Send any message; its id."""
        message = self.session.msg(msg_type, {} if content is None else content)
        for name in ('metadata', 'parent_header'):
            if name in kwargs:
                message[name] = kwargs[name]
        stream = getattr(self.kc, channel + '_channel').socket
        self.session.send(stream, message, buffers=kwargs.get('buffers'))
        return message['header']['msg_id']

    def execute(self, code, **kwargs):
        return self.kc.execute(code, **kwargs)

    def reply(self, msg_id, channel='shell', timeout=TIMEOUT):
        """The reply to a request; replies to others are dropped."""
        end = time.monotonic() + timeout
        get = self.kc.get_shell_msg if channel == 'shell' else self.kc.get_control_msg
        while True:
            message = get(timeout=max(0.001, end - time.monotonic()))
            if message['parent_header'].get('msg_id') == msg_id:
                return message

    def no_reply(self, msg_id, channel='shell', timeout=0.3):
        """Whether nothing answers."""
        try:
            self.reply(msg_id, channel, timeout)
            return False
        except queue.Empty:
            return True

    def iopub(self, timeout=TIMEOUT):
        message = self.kc.get_iopub_msg(timeout=timeout)
        self.seen.append(message)
        return message

    def until_idle(self, msg_id, timeout=TIMEOUT):
        """All iopub messages of a request, its statuses first and last."""
        end = time.monotonic() + timeout
        found = []
        while True:
            message = self.iopub(max(0.001, end - time.monotonic()))
            if message['parent_header'].get('msg_id') != msg_id:
                continue
            found.append(message)
            if message['content'].get('execution_state') == 'idle':
                return found

    def until(self, predicate, timeout=TIMEOUT):
        """The first iopub message that fits."""
        end = time.monotonic() + timeout
        while True:
            message = self.iopub(max(0.001, end - time.monotonic()))
            if predicate(message):
                return message

    def run(self, code, **kwargs):
        """Run a cell: the reply's content, and its outputs without statuses and execute_input."""
        msg_id = self.execute(code, **kwargs)
        reply = self.reply(msg_id)['content']
        messages = self.until_idle(msg_id)
        return reply, [m for m in messages if m['msg_type'] not in ('status', 'execute_input')]


class Raw:
    """Sockets of our own making, for messages that no client would send."""

    def __init__(self, manager, identity=None):
        self.manager = manager
        self.context = zmq.Context()
        self.session = Session(key=manager.session.key, signature_scheme=manager.session.signature_scheme)
        self.sockets = {}
        self.identity = identity or uuid.uuid4().hex.encode()

    def close(self):
        for sock in self.sockets.values():
            sock.close(0)
        self.context.term()

    def address(self, channel):
        info = self.manager.get_connection_info()
        port = info[f'{channel}_port']
        return f'ipc://{info["ip"]}-{port}' if info['transport'] == 'ipc' else f'tcp://{info["ip"]}:{port}'

    def socket(self, channel):
        if channel not in self.sockets:
            kind = {'iopub': zmq.SUB, 'hb': zmq.REQ}.get(channel, zmq.DEALER)
            sock = self.context.socket(kind)
            if kind == zmq.DEALER:
                sock.identity = self.identity
            sock.connect(self.address(channel))
            self.sockets[channel] = sock
        return self.sockets[channel]

    def parts(self, msg_type, content=None):
        """The four signed parts of a good message."""
        header = self.session.msg_header(msg_type)
        header['date'] = '2026-01-01T00:00:00Z'
        return [json.dumps(part).encode() for part in (header, {}, {}, content or {})]

    def frames(self, parts, signature=None):
        sig = self.session.sign(parts) if signature is None else signature
        return [b'<IDS|MSG>', sig, *parts]

    def send(self, frames, channel='shell'):
        self.socket(channel).send_multipart(frames)

    def receive(self, channel='shell', timeout=TIMEOUT):
        """A message's parts as JSON, or None."""
        sock = self.socket(channel)
        if not sock.poll(int(timeout * 1000)):
            return None
        frames = sock.recv_multipart()
        at = frames.index(b'<IDS|MSG>')
        return [json.loads(frame) for frame in frames[at + 2:at + 6]]

    def still_answers(self, test):
        """A good request is answered: the kernel took no harm."""
        parts = self.parts('kernel_info_request')
        self.send(self.frames(parts))
        msg_id = json.loads(parts[0])['msg_id']
        while True:
            answer = self.receive()
            test.assertIsNotNone(answer, 'no answer to a good message')
            if answer[1].get('msg_id') == msg_id:
                test.assertEqual(answer[0]['msg_type'], 'kernel_info_reply')
                return answer


class EchoCase(unittest.TestCase):
    """Tests that share one echo kernel and a client."""

    traits = {}

    @classmethod
    def setUpClass(cls):
        cls.manager = start_kernel(**cls.traits)
        cls.client = Client(cls.manager)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.log = stop_kernel(cls.manager)

    def raw(self):
        raw = Raw(self.manager)
        self.addCleanup(raw.close)
        return raw

    def other_client(self, **kwargs):
        client = Client(self.manager, **kwargs)
        self.addCleanup(client.close)
        return client

    def states(self, messages):
        return [m['content']['execution_state'] for m in messages if m['msg_type'] == 'status']
