# SPDX-License-Identifier: MIT
"""What the Makefile says when something is missing, and its help."""
import os
import re
import shutil
import unittest

from tests.install.support import ROOT, Case


class Make(Case):
    def test_a_missing_library_is_named_with_its_package(self):
        shutil.copy(os.path.join(ROOT, 'Makefile'), self.tmp)
        out, errors = self.run_program('make', 'build/release/libs.ok', code=2, cwd=self.tmp,
                                       PKG_CONFIG_LIBDIR='/nonexistent', PKG_CONFIG_PATH='')
        self.assertIn('libczmq is missing: apt-get install libczmq-dev\n', errors)
        self.assertIn('libcurl is missing: apt-get install libcurl4-openssl-dev\n', errors)
        self.assertNotIn('No package', out + errors)

    def test_a_missing_pkg_config_is_named(self):
        shutil.copy(os.path.join(ROOT, 'Makefile'), self.tmp)
        tools = os.path.join(self.tmp, 'bin')
        os.mkdir(tools)
        for name in ('make', 'sh', 'mkdir', 'uname', 'dirname', 'find'):
            os.symlink(shutil.which(name), os.path.join(tools, name))
        _, errors = self.run_program('make', 'build/release/libs.ok', code=2, cwd=self.tmp, PATH=tools)
        self.assertIn('pkg-config is missing: apt-get install pkg-config\n', errors)

    def test_help_lists_what_a_person_can_ask_for(self):
        out, _ = self.run_program('make', '--no-print-directory', 'help')
        listed = set(re.findall(r'^  ([a-z-]+) ', out, re.M))
        self.assertLessEqual({'all', 'notebook', 'check', 'test', 'test-lab', 'bench', 'install', 'install-user', 'uninstall',
                              'lint', 'format', 'coverage', 'fuzz', 'clean', 'help'}, listed)

    def test_an_unknown_variant_is_named(self):
        _, errors = self.run_program('make', 'V=fast', code=2)
        self.assertIn('unknown variant V=fast', errors)


class Compose(unittest.TestCase):
    """docker-compose.yml, read as YAML: no Docker is needed to see that it keeps its promises."""

    def setUp(self):
        try:
            import yaml
        except ImportError:
            self.skipTest('python3-yaml is not installed')
        with open(os.path.join(ROOT, 'docker-compose.yml'), encoding='utf-8') as file:
            self.services = yaml.safe_load(file)['services']

    def test_ports_are_published_on_loopback_only(self):
        ports = [port for service in self.services.values() for port in service['ports']]
        self.assertEqual(len(ports), 2)
        for port in ports:
            self.assertRegex(port, r'^127\.0\.0\.1:\$\{\w+:-\d+\}:\d+$')

    def test_services_have_no_more_rights_than_they_need(self):
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertTrue(service['read_only'])
                self.assertEqual(service['cap_drop'], ['ALL'])
                self.assertIn('no-new-privileges:true', service['security_opt'])
                self.assertIn('healthcheck', service)
                self.assertNotIn('privileged', service)

    def test_the_image_s_steps_exist(self):
        with open(os.path.join(ROOT, '.docker/image.sh'), encoding='utf-8') as file:
            steps = set(re.findall(r'^step_(\w+)\(\)', file.read(), re.M))
        with open(os.path.join(ROOT, '.docker/Dockerfile'), encoding='utf-8') as file:
            used = set(re.findall(r'image\.sh (\w+)', file.read()))
        used |= {service['command'][0] for service in self.services.values()}
        self.assertEqual(used - steps - {'CMD'}, set())
        self.assertLessEqual({'jupyter', 'build', 'runtime', 'notebook', 'server'}, steps)
