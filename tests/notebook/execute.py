#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Execute notebooks with the inkling kernel of this tree, without a browser.

    tests/notebook/execute.py NOTEBOOK...     write the outputs into the notebooks (`make golden`)

Where a cell shows a canvas, a digit is drawn on it as a front end would: a comm is opened to the view, the strokes of a
7 are sent, and the finished output that comes back replaces the cell's.
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time

import nbformat
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VIEW = 'application/vnd.inkling.v1+json'

# A 7 on a canvas of 280 units: the bar, then the slope, as x, y pairs.
SEVEN = [[70 + 7 * i for i in range(19)], [196 - 5 * i for i in range(16)]]
STROKES = [[value for i, x in enumerate(SEVEN[0]) for value in (x, 72 + (i % 3))],
           [value for i, x in enumerate(SEVEN[1]) for value in (x, 72 + 9 * i)]]


def draw(connection_file, view):
    """Draw on a view, as a client of the kernel of our own; the MIME bundle of the finished drawing."""
    client = BlockingKernelClient(connection_file=connection_file)
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=20)
        return draw_with(client, view)
    finally:
        client.stop_channels()


def draw_with(client, view):
    comm = f'test-{view["id"]}'

    def send(kind, data):
        content = {'comm_id': comm, 'data': data}
        if kind == 'comm_open':
            content['target_name'] = 'inkling.v1'
        client.shell_channel.send(client.session.msg(kind, content))

    def receive(want):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            message = client.get_iopub_msg(timeout=20)
            if message['content'].get('comm_id') != comm:
                continue
            if message['msg_type'] == 'comm_close':
                raise RuntimeError('the kernel closed the comm of the view')
            data = message['content']['data']
            if data['type'] == 'error':
                raise RuntimeError(data['message'])
            if data['type'] == want:
                return data
        raise TimeoutError(f'no {want} from the view')

    send('comm_open', {'v': 1, 'view': view['view'], 'id': view['id']})
    receive('hello')
    send('comm_msg', {'type': 'strokes', 'seq': 1, 'id': view['id'], 'size': 280, 'brush': 22, 'strokes': STROKES,
                      'final': True, 'layers': 0})
    answer = receive('answer')
    send('comm_close', {})
    return answer['bundle']


def execute(path, seconds=300):
    """Execute a notebook from start to end; the notebook with its new outputs. Raises where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    folder = tempfile.mkdtemp(prefix='inkling-notebook-')
    try:
        program = os.environ.get('INKLING', os.path.join(ROOT, 'build/inkling'))
        subprocess.run([program, 'install', '--prefix', folder], check=True, stdout=subprocess.DEVNULL)
        specs = KernelSpecManager(kernel_dirs=[os.path.join(folder, 'share/jupyter/kernels')])
        manager = AsyncKernelManager(kernel_name='inkling', kernel_spec_manager=specs)

        def on_cell_executed(cell, **_):
            for output in cell.get('outputs', []):
                if VIEW in output.get('data', {}) and output['data'][VIEW]['view'] == 'draw':
                    # in a thread: this one's event loop belongs to nbclient
                    with concurrent.futures.ThreadPoolExecutor(1) as thread:
                        bundle = thread.submit(draw, manager.connection_file, output['data'][VIEW]).result()
                    output['data'].update(bundle)

        client = NotebookClient(notebook, km=manager, timeout=seconds, on_cell_executed=on_cell_executed,
                                resources={'metadata': {'path': os.path.dirname(os.path.abspath(path))}})
        data = os.environ.get('INKLING_DATA', os.path.join(ROOT, '../shared/data'))
        client.execute(env={**os.environ, 'INKLING_DATA': os.path.abspath(data), 'XDG_DATA_HOME': folder, 'XDG_CACHE_HOME': folder})
        return notebook
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tidy(notebook):
    """Leave out what differs from run to run and tells a reader nothing."""
    for cell in notebook['cells']:
        cell.get('metadata', {}).pop('execution', None)
    return notebook


def main(paths):
    for path in paths:
        notebook = tidy(execute(path))
        nbformat.write(notebook, path)
        print(f'{path}: {sum(len(cell.get("outputs", [])) for cell in notebook["cells"])} outputs')


if __name__ == '__main__':
    main(sys.argv[1:])
