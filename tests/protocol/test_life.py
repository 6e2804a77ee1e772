# SPDX-License-Identifier: MIT
"""From start to end: connection files, ports, restart, shutdown, the death of the parent."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import zmq
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

from tests.protocol import support
from tests.protocol.support import Client, kernel_pid, start_kernel, stop_kernel


def is_alive(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as file:
            return file.read().rsplit(')', 1)[1].split()[0] not in ('Z', 'X')
    except FileNotFoundError:
        return False


def seconds_until_gone(pid, limit=10):
    start = time.monotonic()
    while is_alive(pid):
        if time.monotonic() - start > limit:
            return None
        time.sleep(0.01)
    return time.monotonic() - start


class Started(unittest.TestCase):
    def start(self, **kwargs):
        self.manager = start_kernel(**kwargs)
        self.addCleanup(stop_kernel, self.manager)
        self.client = Client(self.manager)
        self.addCleanup(self.client.close)

    def test_shutdown(self):
        for channel in ('control', 'shell'):
            for restart in (False, True):
                with self.subTest(channel, restart=restart):
                    self.start()
                    pid = kernel_pid(self.manager)
                    watcher = Client(self.manager)
                    start = time.monotonic()
                    msg_id = self.client.send('shutdown_request', {'restart': restart}, channel)
                    content = self.client.reply(msg_id, channel)['content']
                    self.assertEqual(content, {'status': 'ok', 'restart': restart})
                    self.assertEqual(watcher.until(lambda m: m['msg_type'] == 'shutdown_reply')['content'], content)
                    messages = self.client.until_idle(msg_id)
                    self.assertEqual(messages[0]['content'], {'execution_state': 'busy'})
                    self.assertIsNotNone(seconds_until_gone(pid, 2))
                    self.assertLess(time.monotonic() - start, 1)
                    self.assertEqual(self.manager.provisioner.process.wait(), 0)
                    watcher.close()

    def test_shutdown_while_a_cell_runs(self):
        self.start()
        cell, waiting = self.client.execute('sleep 60'), self.client.execute('say x')
        self.client.until(lambda m: m['msg_type'] == 'execute_input')
        start = time.monotonic()
        msg_id = self.client.send('shutdown_request', {'restart': False}, 'control')
        self.assertEqual(self.client.reply(msg_id, 'control')['content']['status'], 'ok')
        replies = {self.client.kc.get_shell_msg(timeout=5)['parent_header']['msg_id'] for _ in range(2)}
        self.assertEqual(replies, {cell, waiting})
        self.client.until_idle(cell)
        self.assertIsNotNone(seconds_until_gone(kernel_pid(self.manager), 2))
        self.assertLess(time.monotonic() - start, 1)

    def test_shutdown_while_a_cell_runs_that_does_not_care(self):
        self.start()
        self.client.execute('stubborn 60')
        self.client.until(lambda m: m['msg_type'] == 'execute_input')
        msg_id = self.client.send('shutdown_request', {'restart': False}, 'control')
        self.assertEqual(self.client.reply(msg_id, 'control')['content']['status'], 'ok')
        took = seconds_until_gone(kernel_pid(self.manager), 4)
        self.assertIsNotNone(took)
        self.assertLess(took, 2)
        self.assertEqual(self.manager.provisioner.process.wait(), 0)

    def test_shutdown_while_a_question_waits(self):
        self.start()
        self.client.execute('ask x', allow_stdin=True)
        self.client.kc.get_stdin_msg(timeout=5)
        self.client.send('shutdown_request', {'restart': False}, 'control')
        self.assertIsNotNone(seconds_until_gone(kernel_pid(self.manager), 2))

    def test_terminate(self):
        for code in ('nothing', 'sleep 60'):
            self.start()
            self.client.execute(code)
            self.client.until(lambda m: m['msg_type'] == 'execute_input')
            os.kill(kernel_pid(self.manager), signal.SIGTERM)
            self.assertIsNotNone(seconds_until_gone(kernel_pid(self.manager), 2))
            self.assertEqual(self.manager.provisioner.process.wait(), 0)

    def test_interrupt_signal_at_rest_is_ignored(self):
        self.start(mode='signal')
        for _ in range(3):
            self.manager.interrupt_kernel()
        self.assertEqual(self.client.run('nothing')[0]['status'], 'ok')

    def test_restart(self):
        self.start()
        self.client.run('nothing')
        first = self.client.execute('nothing')
        first = self.client.reply(first)
        for _ in range(3):
            self.manager.restart_kernel()
            client = Client(self.manager)
            self.addCleanup(client.close)
            again = client.reply(client.execute('nothing'))
            self.assertEqual(first['content']['execution_count'], 2)
            self.assertEqual(again['content']['execution_count'], 1)
            self.assertNotEqual(again['header']['session'], first['header']['session'])

    def test_restart_while_a_cell_runs(self):
        self.start()
        self.client.execute('sleep 60')
        self.client.until(lambda m: m['msg_type'] == 'execute_input')
        self.manager.restart_kernel()
        client = Client(self.manager)
        self.addCleanup(client.close)
        self.assertEqual(client.run('nothing')[0]['execution_count'], 1)

    def test_ipc(self):
        self.start(transport='ipc')
        self.assertEqual(self.client.run('say x')[1][0]['content']['text'], 'x\n')
        folder = self.manager.test_folder
        self.assertTrue([name for name in os.listdir(folder) if name.startswith('socket-')])
        self.manager.shutdown_kernel()
        self.assertEqual([name for name in os.listdir(folder) if name.startswith('socket-')], [])

    def test_heartbeat_while_busy(self):
        self.start()
        self.client.execute('stubborn 0.5')
        self.client.until(lambda m: m['msg_type'] == 'execute_input')
        raw = support.Raw(self.manager)
        self.addCleanup(raw.close)
        heart = raw.socket('hb')
        for _ in range(20):
            heart.send(b'ping')
            self.assertTrue(heart.poll(1000))
            self.assertEqual(heart.recv(), b'ping')


class Orphans(unittest.TestCase):
    PARENT = '''
import os, subprocess, sys, time
child = subprocess.Popen([sys.argv[1], sys.argv[2]], env={**os.environ, **({"JPY_PARENT_PID": str(os.getpid())} if sys.argv[3] == "1" else {})})
print(child.pid, flush=True)
time.sleep(60)
'''

    def orphan(self, code=None, watched=True):
        """A kernel whose parent was killed, and how long it lived on."""
        with tempfile.TemporaryDirectory() as folder:
            path, info = write_connection_file(os.path.join(folder, 'c.json'), ip='127.0.0.1', key=b'key')
            env = {name: value for name, value in os.environ.items() if name != 'JPY_PARENT_PID'}
            parent = subprocess.Popen([sys.executable, '-c', self.PARENT, support.echo_program(), path, str(int(watched))],
                                      stdout=subprocess.PIPE, env=env)
            pid = int(parent.stdout.readline())
            try:
                from jupyter_client import BlockingKernelClient
                kc = BlockingKernelClient(connection_file=path)
                kc.load_connection_file()
                kc.start_channels()
                kc.wait_for_ready(timeout=20)
                if code:
                    kc.execute(code)
                    time.sleep(0.2)
                kc.stop_channels()
                parent.kill()
                parent.wait()
                parent.stdout.close()
                return pid, seconds_until_gone(pid, 4 if watched else 1.5)
            finally:
                if is_alive(pid):
                    os.kill(pid, signal.SIGKILL)

    def test_dies_with_its_parent(self):
        for code, limit in ((None, 1), ('sleep 60', 1), ('stubborn 60', 2)):
            with self.subTest(code):
                _, took = self.orphan(code)
                self.assertIsNotNone(took, 'it lives on')
                self.assertLess(took, limit + 0.5)

    def test_lives_on_where_jupyter_did_not_start_it(self):
        _, took = self.orphan(watched=False)
        self.assertIsNone(took)

    def test_lives_on_when_the_thread_that_started_it_ends(self):
        import threading
        managers = []
        thread = threading.Thread(target=lambda: managers.append(start_kernel()))
        thread.start()
        thread.join()
        self.addCleanup(stop_kernel, managers[0])
        time.sleep(0.7)
        self.assertTrue(is_alive(kernel_pid(managers[0])))


class ConnectionFiles(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, 'c.json')

    def write(self, text, mode=0o600):
        with open(self.path, 'w', encoding='utf-8') as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
        os.chmod(self.path, mode)

    def good(self, **changes):
        info = {'ip': '127.0.0.1', 'transport': 'tcp', 'key': 'k', 'signature_scheme': 'hmac-sha256',
                'shell_port': 0, 'iopub_port': 0, 'stdin_port': 0, 'control_port': 0, 'hb_port': 0, 'kernel_name': 'x'}
        info.update(changes)
        return {name: value for name, value in info.items() if value != 'absent'}

    def refused(self, *texts, path=None):
        done = subprocess.run([support.echo_program(), path or self.path], capture_output=True, timeout=10, check=False)
        message = done.stderr.decode()
        self.assertEqual(done.returncode, 1, message)
        self.assertEqual(len(message.strip().splitlines()), 1, message)
        for text in texts:
            self.assertIn(text, message)

    def test_refused(self):
        cases = [
            ('', 'JSON'), ('[]', 'not a JSON object'), ('{"key": ', 'JSON'), ('null', 'not a JSON object'), ('x' * 70000, ''),
            (self.good(key='absent'), 'key is missing'), (self.good(key=7), 'key is not a string'),
            (self.good(shell_port=70000), 'shell_port 70000 is not a port number from 0 to 65535'),
            (self.good(hb_port=-1), 'hb_port'), (self.good(hb_port=1.5), 'hb_port 1.5'), (self.good(hb_port='x'), 'hb_port'),
            (self.good(iopub_port=[]), 'iopub_port is not a number'),
            (self.good(shell_port=5000, hb_port=5000), 'shell_port and hb_port are both 5000'),
            (self.good(transport='inproc'), 'transport "inproc" is not tcp or ipc'),
            (self.good(signature_scheme='hmac-md5'), 'signature_scheme "hmac-md5" is not hmac-sha256 or hmac-sha512'),
            (self.good(ip='not an address'), 'cannot bind shell_port'), (self.good(ip='x' * 500), 'ip has 500 characters'),
            (self.good(curve_secretkey='a' * 40), 'curve_secretkey without curve_publickey'),
            (self.good(curve_secretkey='short', curve_publickey='b' * 40), 'not 40 characters of Z85'),
            (self.good(key='k' * 300), 'key has 300 characters'),
        ]
        for text, message in cases:
            with self.subTest(message):
                self.write(text)
                self.refused(message, *([] if 'bind' in message else [self.path]))

    def test_no_regular_file(self):
        self.refused('No such file', path=self.path)
        self.refused('not a regular file', path=self.folder.name)
        self.write(self.good())
        link = os.path.join(self.folder.name, 'link.json')
        os.symlink(self.path, link)
        self.refused('not a regular file', path=link)

    def test_port_is_taken(self):
        with socket.socket() as sock:
            sock.bind(('127.0.0.1', 0))
            sock.listen()
            port = sock.getsockname()[1]
            self.write(self.good(control_port=port))
            start = time.monotonic()
            self.refused('cannot bind control_port', str(port), 'in use')
            self.assertLess(time.monotonic() - start, 2)

    def started(self):
        """A kernel at self.path, once it has written its ports."""
        process = subprocess.Popen([support.echo_program(), self.path], stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for _ in range(500):
            with open(self.path, encoding='utf-8') as file:
                info = json.load(file)
            if all(int(info.get(f'{name}_port', 0)) for name in ('shell', 'hb')):
                break
            time.sleep(0.02)
        return process, info

    def test_ports_are_chosen_and_written_back(self):
        for transport in ('tcp', 'ipc'):
            with self.subTest(transport):
                info = self.good(shell_port='absent', hb_port='0', transport=transport)
                if transport == 'ipc':
                    info['ip'] = os.path.join(self.folder.name, 's')
                self.write(info)
                process, info = self.started()
                ports = [info[f'{name}_port'] for name in ('shell', 'iopub', 'stdin', 'control', 'hb')]
                self.assertEqual(len(set(ports)), 5)
                self.assertEqual((info['kernel_name'], info['key']), ('x', 'k'))
                self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
                process.terminate()
                self.assertEqual(process.wait(), 0)

    def test_others_can_read_it(self):
        self.write(self.good(), 0o644)
        process, _ = self.started()
        process.terminate()
        self.assertIn(b'others can read the key', process.stderr.read())

    @unittest.skipUnless(zmq.has('curve'), 'libzmq without CURVE')
    def test_curve(self):
        public, secret = zmq.curve_keypair()
        self.write(self.good(curve_publickey=public.decode(), curve_secretkey=secret.decode()))
        _, info = self.started()
        context = zmq.Context()
        self.addCleanup(context.term)

        session = Session(key=b'k')

        def answers(name, with_curve):
            sock = context.socket({'hb': zmq.REQ, 'iopub': zmq.SUB}.get(name, zmq.DEALER))
            if with_curve:
                sock.curve_serverkey = public
                sock.curve_publickey, sock.curve_secretkey = zmq.curve_keypair()
            if name == 'iopub':
                sock.subscribe(b'')
            sock.connect(f'tcp://{info["ip"]}:{info[name + "_port"]}')
            if name == 'hb':
                sock.send(b'ping')
            elif name != 'iopub':
                session.send(sock, 'kernel_info_request')
            found = sock.poll(3000 if with_curve else 500)
            sock.close(0)
            return bool(found)

        for name in ('hb', 'iopub', 'shell', 'control'):
            self.assertTrue(answers(name, True), name)
            self.assertFalse(answers(name, False), f'{name} speaks to a client without keys')


if __name__ == '__main__':
    unittest.main()
