# SPDX-License-Identifier: MIT
"""make notebook, less the installation of packages: Jupyter comes up with the kernel and leaves the home folder alone."""
import json
import os
import re
import signal
import socket
import subprocess
import urllib.request

from tests.install.support import ROOT, Case, files_below


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


class Notebook(Case):
    def start(self, port, **changes):
        """Start .ci/notebook; its process and the link that it prints."""
        process = subprocess.Popen([os.path.join(ROOT, '.ci/notebook')], env=self.environment(PORT=str(port), **changes),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.terminate)
        line = process.stdout.readline()
        found = re.fullmatch(rf'Open (http://127\.0\.0\.1:{port}/(\S+)\?token=(\w+))\n', line)
        self.assertTrue(found, f'{line!r} {process.stderr.read() if not line else ""}')
        return process, found

    def test_the_link_opens_and_nothing_is_written_to_the_home_folder(self):
        port = free_port()
        process, link = self.start(port)
        self.assertRegex(link.group(3), r'^[0-9a-f]{48}$')
        self.assertTrue(link.group(2).endswith('notebooks/client.ipynb'))
        with urllib.request.urlopen(link.group(1), timeout=20) as answer:
            self.assertEqual(answer.status, 200)
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/api/kernelspecs?token={link.group(3)}', timeout=20) as answer:
            spec = json.load(answer)['kernelspecs']['inkling']
        self.assertEqual(spec['spec']['argv'][0], os.path.realpath(os.path.join(ROOT, 'build/inkling')))
        for name in ('kernel.js', 'logo-64x64.png'):
            self.assertIn(name, json.dumps(spec['resources']))
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/kernelspecs/inkling/inkling.js?token={link.group(3)}', timeout=20) as answer:
            self.assertIn('javascript', answer.headers['Content-Type'])
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        with self.assertRaises(OSError):
            socket.create_connection(('127.0.0.1', port), 1)
        self.assertEqual(files_below(self.home), [])

    def test_the_token_can_be_chosen(self):
        _, link = self.start(free_port(), TOKEN='letmein')
        self.assertEqual(link.group(3), 'letmein')

    def test_a_taken_port_is_said(self):
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            port = taken.getsockname()[1]
            _, errors = self.run_program(os.path.join(ROOT, '.ci/notebook'), code=69, PORT=str(port))
        self.assertIn(f'did not start on 127.0.0.1:{port}; PORT=N takes another port', errors.splitlines()[-1])
