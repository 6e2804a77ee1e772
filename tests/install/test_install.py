# SPDX-License-Identifier: MIT
"""make install, make uninstall, inkling install: what they write, and that Jupyter finds and starts it."""
import gzip
import json
import os
import queue
import re
import stat

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from tests.install.support import PROGRAM, Case, files_below

JUPYTER_FILES = ['kernels/inkling/inkling.js', 'kernels/inkling/kernel.js', 'kernels/inkling/kernel.json',
                 'kernels/inkling/logo-32x32.png', 'kernels/inkling/logo-64x64.png', 'kernels/inkling/logo-svg.svg',
                 'labextensions/inkling-lab/package.json', 'labextensions/inkling-lab/static/inkling.js',
                 'labextensions/inkling-lab/static/remoteEntry.js']


def kernelspec_in(data_dir):
    manager = KernelSpecManager(kernel_dirs=[os.path.join(data_dir, 'kernels')])
    return manager.get_kernel_spec('inkling')


class MakeInstall(Case):
    def make(self, goal, **variables):
        return self.run_program('make', '--no-print-directory', goal, *(f'{name}={value}' for name, value in variables.items()))

    def test_a_package_is_staged_and_removed(self):
        stage = os.path.join(self.tmp, 'stage')
        self.make('install', DESTDIR=stage, PREFIX='/usr')
        share = os.path.join(stage, 'usr/share/jupyter')
        self.assertEqual(files_below(share), JUPYTER_FILES)
        spec = kernelspec_in(share)
        self.assertEqual(spec.argv, ['/usr/bin/inkling', 'kernel', '-f', '{connection_file}'])
        self.assertEqual((spec.display_name, spec.language, spec.interrupt_mode), ('Inkling', 'inkling', 'message'))
        program = os.path.join(stage, 'usr/bin/inkling')
        self.assertEqual(stat.S_IMODE(os.stat(program).st_mode), 0o755)
        out, _ = self.run_program(program, '--version')
        self.assertRegex(out, r'^inkling \d+\.\d+')
        self.assertIn('share/inkling/notebooks/client.ipynb', '\n'.join(files_below(stage)))

        self.make('uninstall', DESTDIR=stage, PREFIX='/usr')
        self.assertEqual(files_below(stage), [])

    def test_install_over_an_older_one_leaves_no_temporary_file(self):
        for _ in range(2):
            self.make('install', PREFIX=self.tmp + '/prefix')
        self.assertEqual(files_below(self.tmp + '/prefix/share/jupyter'), JUPYTER_FILES)
        programs = ['inkling'] + ['inkling-mpi'] * os.path.exists(PROGRAM + '-mpi')
        self.assertEqual(sorted(os.listdir(self.tmp + '/prefix/bin')), programs)

    def test_install_user_is_below_the_home_folder(self):
        self.make('install-user')
        self.assertEqual(files_below(os.path.join(self.home, '.local/share/jupyter')), JUPYTER_FILES)
        spec = kernelspec_in(os.path.join(self.home, '.local/share/jupyter'))
        self.assertEqual(spec.argv[0], os.path.join(self.home, '.local/bin/inkling'))

    def test_the_man_page_is_one_and_names_every_command(self):
        self.make('install', PREFIX=self.tmp + '/prefix')
        page = self.tmp + '/prefix/share/man/man1/inkling.1.gz'
        with gzip.open(page, 'rt', encoding='utf-8') as file:
            text = file.read()
        self.assertTrue(text.startswith('.TH INKLING 1') or '\n.TH INKLING 1' in text, text[:200])
        for section in ('NAME', 'SYNOPSIS', 'DESCRIPTION', 'COMMANDS'):
            self.assertRegex(text, rf'(?m)^\.SH "?{section}"?')
        for command in ('train', 'predict', 'evaluate', 'inspect', 'serve', 'install'):
            self.assertTrue(re.search(rf'\b{command}\b', text), command)
        self.assertIsNone(re.search(r'(?m)^\.SH "?\w+"?\n(?=\.SH|\Z)', text), 'a section without text')

    def test_a_prefix_that_is_not_absolute_is_refused(self):
        _, errors = self.run_program('make', '--no-print-directory', 'install', 'PREFIX=here', code=2)
        self.assertIn('PREFIX=here is not an absolute path', errors)


class InklingInstall(Case):
    def test_user_and_prefix_and_json(self):
        out, _ = self.run_program(PROGRAM, 'install', '--user', '--json')
        folder = os.path.join(self.home, '.local/share/jupyter')
        self.assertEqual(json.loads(out), {'kernelspec': folder + '/kernels/inkling', 'labextension': folder + '/labextensions/inkling-lab'})
        self.assertEqual(files_below(folder), JUPYTER_FILES)
        self.run_program(PROGRAM, 'uninstall', '--user')
        self.assertEqual(files_below(self.home), [])
        self.run_program(PROGRAM, 'install', '--prefix', self.tmp + '/env')
        self.assertEqual(files_below(self.tmp + '/env/share/jupyter'), JUPYTER_FILES)

    def test_faults_are_one_line(self):
        _, errors = self.run_program(PROGRAM, 'install', '--sys-prefix', code=64)
        self.assertRegex(errors, r"\A[^\n]*'--sys-prefix'[^\n]*\n\Z")
        _, errors = self.run_program(PROGRAM, 'uninstall', '--prefix', self.tmp, code=66)
        self.assertRegex(errors, r'\A[^\n]*kernel\.json[^\n]*\n\Z')

    def test_jupyter_starts_the_installed_kernel(self):
        self.run_program(PROGRAM, 'install', '--user')
        manager = KernelManager(kernel_name='inkling')
        manager.kernel_spec_manager.kernel_dirs = [os.path.join(self.home, '.local/share/jupyter/kernels')]
        manager.start_kernel(env=self.environment(), cwd=self.tmp)
        self.addCleanup(manager.shutdown_kernel, now=True)
        client = manager.client()
        client.start_channels()
        self.addCleanup(client.stop_channels)
        client.wait_for_ready(timeout=20)
        client.kernel_info()
        try:
            reply = client.get_shell_msg(timeout=10)
        except queue.Empty:
            self.fail('no kernel_info_reply')
        self.assertEqual(reply['content']['implementation'], 'inkling')
