#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How fast a kernel starts and answers: Inkling's and ipykernel, in the same run, by the same client.

    tests/bench/bench_kernel.py [--starts 9] [--cells 400] [--json]

start      from starting the program to its kernel_info_reply; the client is waiting already
execute    from an execute_request for an empty cell to its reply (and to its idle), one after the other
control    kernel_info on the control channel
burst      1000 cells sent at once, per cell, until the last reply
memory     resident after all that

The client is bare ZeroMQ with messages signed beforehand, so that next to nothing of what is measured is its own. Kernels
take turns, so that a machine that is busy for a while is busy for both. With --json the last line is one JSON value.
"""
import argparse
import hashlib
import hmac
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

try:
    import zmq
except ImportError:
    sys.exit('bench_kernel: python3-zmq is missing')

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, 'build/inkling')
KERNELS = {
    'inkling': ([PROGRAM, 'kernel', '-f'], '# nothing'),
    'ipykernel': ([sys.executable, '-m', 'ipykernel_launcher', '-f'], 'pass'),
}
CHANNELS = {'shell': zmq.DEALER, 'control': zmq.DEALER, 'iopub': zmq.SUB}
KEY = b'bench'


class Kernel:
    """A kernel that is being started, and a client that waits for it."""

    def __init__(self, argv, folder):
        path = os.path.join(folder, uuid.uuid4().hex + '.json')
        self.context = zmq.Context()
        reserved = []
        info = {'ip': '127.0.0.1', 'transport': 'tcp', 'key': KEY.decode(), 'signature_scheme': 'hmac-sha256', 'kernel_name': ''}
        for name in ('shell', 'control', 'iopub', 'stdin', 'hb'):
            reserved.append(self.context.socket(zmq.PUSH))
            info[f'{name}_port'] = reserved[-1].bind_to_random_port('tcp://127.0.0.1')
        for sock in reserved:
            sock.close(0)
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(info, file)
        os.chmod(path, 0o600)
        time.sleep(0.05)  # until the ports are free again
        self.session = uuid.uuid4().hex
        self.sockets = {}
        self.start = time.perf_counter()
        self.process = subprocess.Popen([*argv, path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for name, kind in CHANNELS.items():
            sock = self.sockets[name] = self.context.socket(kind)
            sock.reconnect_ivl = 1  # ms: a refused connection is tried again at once
            sock.linger = 0
            if kind == zmq.SUB:
                sock.subscribe(b'')
            sock.connect(f'tcp://127.0.0.1:{info[name + "_port"]}')

    def message(self, msg_type, content):
        """The id and the frames of a message."""
        msg_id = uuid.uuid4().hex
        header = {'msg_id': msg_id, 'session': self.session, 'username': 'u', 'date': '2026-01-01T00:00:00Z',
                  'msg_type': msg_type, 'version': '5.3'}
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        return msg_id.encode(), [b'<IDS|MSG>', hmac.new(KEY, b''.join(parts), hashlib.sha256).hexdigest().encode(), *parts]

    def receive(self, channel, timeout=60):
        if not self.sockets[channel].poll(timeout * 1000):
            raise RuntimeError(f'no answer on {channel} for {timeout} s')
        return self.sockets[channel].recv_multipart()

    def until_parent(self, channel, msg_id, wanted=b''):
        """The message whose parent is msg_id and whose content has `wanted`."""
        while True:
            frames = self.receive(channel)
            at = frames.index(b'<IDS|MSG>')
            if msg_id in frames[at + 3] and wanted in frames[at + 5]:
                return

    def ask(self, channel, msg_type, content):
        """Milliseconds until the reply, and the message's id."""
        msg_id, frames = self.message(msg_type, content)
        start = time.perf_counter()
        self.sockets[channel].send_multipart(frames)
        self.until_parent(channel, msg_id)
        return (time.perf_counter() - start) * 1000, msg_id, start

    def until_ready(self):
        self.ask('shell', 'kernel_info_request', {})
        return (time.perf_counter() - self.start) * 1000

    def resident_mb(self):
        with open(f'/proc/{self.process.pid}/statm', encoding='ascii') as file:
            return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20

    def stop(self):
        try:
            self.ask('control', 'shutdown_request', {'restart': False})
            self.process.wait(5)
        except (RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.context.destroy(0)


def cell(code):
    return {'code': code, 'silent': False, 'store_history': True, 'user_expressions': {}, 'allow_stdin': False,
            'stop_on_error': True}


def measure_cells(kernel, code, count):
    replies, idles, controls = [], [], []
    for i in range(count + 20):
        took, msg_id, start = kernel.ask('shell', 'execute_request', cell(code))
        kernel.until_parent('iopub', msg_id, b'idle')
        idle = (time.perf_counter() - start) * 1000
        control = kernel.ask('control', 'kernel_info_request', {})[0]
        if i >= 20:  # warm by then
            replies.append(took)
            idles.append(idle)
            controls.append(control)
    burst = [kernel.message('execute_request', cell(code)) for _ in range(1000)]
    start = time.perf_counter()
    for _, frames in burst:
        kernel.sockets['shell'].send_multipart(frames)
    for msg_id, _ in burst:
        kernel.until_parent('shell', msg_id)
    per_cell = (time.perf_counter() - start) * 1000 / len(burst)
    percentile = lambda values, share: sorted(values)[int(share * (len(values) - 1))]
    return {'execute_p50_ms': statistics.median(replies), 'execute_p99_ms': percentile(replies, 0.99),
            'idle_p50_ms': statistics.median(idles), 'control_p50_ms': statistics.median(controls),
            'burst_ms_per_cell': per_cell, 'resident_mb': kernel.resident_mb()}


def has_ipykernel():
    return subprocess.run([sys.executable, '-c', 'import ipykernel'], stderr=subprocess.DEVNULL, check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--starts', type=int, default=9)
    parser.add_argument('--cells', type=int, default=400)
    parser.add_argument('--json', action='store_true')
    arguments = parser.parse_args()
    names = ['inkling'] + (['ipykernel'] if has_ipykernel() else [])
    if not os.access(PROGRAM, os.X_OK):
        sys.exit(f'bench_kernel: {PROGRAM} is not built')
    starts, found = {name: [] for name in names}, {}
    with tempfile.TemporaryDirectory(prefix='ink-bench-') as folder:
        for i in range(arguments.starts + 1):
            for name in names:
                argv, code = KERNELS[name]
                kernel = Kernel(argv, folder)
                try:
                    took = kernel.until_ready()
                    if i == arguments.starts:
                        found[name] = measure_cells(kernel, code, arguments.cells)
                    else:
                        starts[name].append(took)
                finally:
                    kernel.stop()
    for name in names:
        found[name] = {'start_ms': statistics.median(starts[name]), 'start_worst_ms': max(starts[name]), **found[name]}
    print(f'{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}')
    print(f'{"":18}' + ''.join(f'{name:>12}' for name in names) + ('       ratio' if len(names) > 1 else '   (python3-ipykernel is missing)'))
    for key in found['inkling']:
        values = [found[name][key] for name in names]
        ratio = f'{values[1] / values[0]:11.1f}x' if len(values) > 1 else ''
        print(f'{key:18}' + ''.join(f'{value:12.2f}' for value in values) + ratio)
    if arguments.json:
        print(json.dumps(found))


if __name__ == '__main__':
    main()
