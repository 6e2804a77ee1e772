# SPDX-License-Identifier: MIT
"""What the tests of this folder share."""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, 'build/inkling')


def files_below(folder):
    """Paths of all files below a folder, relative to it, sorted."""
    return sorted(os.path.relpath(os.path.join(where, name), folder)
                  for where, _, names in os.walk(folder) for name in names)


class Case(unittest.TestCase):
    """A test with a temporary folder, `self.tmp`, whose `home` is the home folder of what it runs."""

    def setUp(self):
        self.tmp = tempfile.mkdtemp(prefix='inkling-test-')
        self.addCleanup(shutil.rmtree, self.tmp)
        self.home = os.path.join(self.tmp, 'home')
        os.mkdir(self.home)

    def environment(self, **changes):
        """The caller's environment with our home folder and nothing of make or Jupyter."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(('MAKE', 'MFLAGS', 'JUPYTER', 'IPYTHON', 'XDG_')) and name != 'V'}
        return {**kept, 'HOME': self.home, 'LC_ALL': 'C.UTF-8', **changes}

    def run_program(self, *command, code=0, cwd=ROOT, **changes):
        """Run a command that must end with `code`; its standard output and error, as text."""
        done = subprocess.run([str(word) for word in command], cwd=cwd, env=self.environment(**changes), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
        self.assertEqual(done.returncode, code, f'{command}\n{done.stdout}\n{done.stderr}')
        return done.stdout, done.stderr
