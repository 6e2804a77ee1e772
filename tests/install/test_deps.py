# SPDX-License-Identifier: MIT
"""The dependency script, with dpkg-query and apt-get that only pretend."""
import os
import time

from tests.install.support import ROOT, Case

DEPS = os.path.join(ROOT, '.ci/deps')

DPKG_QUERY = '''#!/bin/sh
# Says that every package is installed but those in $ABSENT.
shift 3
for package; do
    case " $ABSENT " in
    *" $package "*) ;;
    *) echo "$package installed" ;;
    esac
done
'''
APT_GET = '''#!/bin/sh
echo "$@" >>"$CALLS"
exit ${APT_CODE:-0}
'''


class Deps(Case):
    def setUp(self):
        super().setUp()
        self.bin = os.path.join(self.tmp, 'bin')
        self.calls = os.path.join(self.tmp, 'calls')
        os.mkdir(self.bin)
        for name, text in (('dpkg-query', DPKG_QUERY), ('apt-get', APT_GET), ('sudo', '#!/bin/sh\nexec "$@"\n')):
            path = os.path.join(self.bin, name)
            with open(path, 'w', encoding='ascii') as file:
                file.write(text)
            os.chmod(path, 0o755)

    def deps(self, *words, code=0, **changes):
        return self.run_program(DEPS, *words, code=code, PATH=f'{self.bin}:{os.environ["PATH"]}', CALLS=self.calls, **changes)

    def calls_made(self):
        if not os.path.exists(self.calls):
            return []
        with open(self.calls, encoding='utf-8') as file:
            return file.read().splitlines()

    def test_says_and_does_nothing_when_all_is_there(self):
        start = time.monotonic()
        out, _ = self.deps('build', 'test', 'lab', ABSENT='')
        self.assertLess(time.monotonic() - start, 0.3)
        self.assertEqual(out, '')
        self.assertEqual(self.calls_made(), [])

    def test_names_what_is_missing_and_installs_just_that(self):
        out, _ = self.deps('build', ABSENT='libczmq-dev libcurl4-openssl-dev')
        self.assertIn('missing: libczmq-dev libcurl4-openssl-dev\n', out)
        self.assertEqual(self.calls_made(), ['-q install -y --no-install-recommends libczmq-dev libcurl4-openssl-dev'])

    def test_only_names_with_n(self):
        out, _ = self.deps('-n', 'test', code=1, ABSENT='chromium')
        self.assertEqual(out, 'missing: chromium\n')
        self.assertEqual(self.calls_made(), [])

    def test_fetches_the_lists_once_then_says_what_to_install_by_hand(self):
        _, errors = self.deps('build', code=69, ABSENT='libzmq3-dev', APT_CODE='100')
        self.assertEqual([call.split()[1] for call in self.calls_made()], ['install', 'update'])
        self.assertEqual(errors, 'deps: could not install; as root: apt-get install --no-install-recommends libzmq3-dev\n')

    def test_unknown_group_is_named(self):
        _, errors = self.deps('bulid', code=64)
        self.assertEqual(errors, "deps: no group 'bulid' (build, notebook, test, lab)\n")

    def test_no_group_is_misuse(self):
        _, errors = self.deps(code=64)
        self.assertIn('usage', errors)
