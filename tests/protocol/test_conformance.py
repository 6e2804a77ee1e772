# SPDX-License-Identifier: MIT
"""Debian's python3-jupyter-kernel-test against the echo kernel and against Inkling."""
import json
import os
import shutil
import tempfile
import unittest

import jupyter_kernel_test as jkt

from tests.protocol import support


class Installed:
    """Puts a kernelspec where jupyter_client looks, for as long as the class runs."""

    argv = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='ink-spec-')
        spec = os.path.join(cls.folder, 'kernels', cls.kernel_name)
        os.makedirs(spec)
        with open(os.path.join(spec, 'kernel.json'), 'w', encoding='utf-8') as file:
            json.dump({'argv': cls.argv, 'display_name': cls.kernel_name, 'language': cls.kernel_name,
                       'interrupt_mode': 'message'}, file)
        cls.old_path = os.environ.get('JUPYTER_PATH')
        os.environ['JUPYTER_PATH'] = cls.folder
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        if cls.old_path is None:
            del os.environ['JUPYTER_PATH']
        else:
            os.environ['JUPYTER_PATH'] = cls.old_path
        shutil.rmtree(cls.folder)


class EchoConformance(Installed, jkt.KernelTests):
    kernel_name = 'echo-test'
    language_name = 'echo'
    file_extension = '.txt'
    code_hello_world = 'say hello, world'
    code_stderr = 'warn careful'
    completion_samples = [{'text': 'sa', 'matches': ['say']}, {'text': 'say re', 'matches': ['result']}]
    complete_code_samples = ['say this', 'nothing', '']
    incomplete_code_samples = ['say \\']
    invalid_code_samples = ['!']
    code_page_something = 'page a long text'
    code_generate_error = 'raise trouble'
    code_execute_result = [{'code': 'result 6*7', 'result': '6*7'}, {'code': 'forty two', 'result': 'forty two'}]
    code_display_data = [{'code': 'picture', 'mime': 'image/png'}, {'code': 'display it', 'mime': 'text/plain'}]
    code_history_pattern = 'result 6?7'
    supported_history_operations = ('tail', 'range', 'search')
    code_inspect_sample = 'say'
    code_clear_output = 'clear'

    @classmethod
    def setUpClass(cls):
        cls.argv = support.echo_argv()
        super().setUpClass()


if hasattr(jkt, 'IopubWelcomeTests'):  # from version 0.5 on
    class EchoWelcome(Installed, jkt.IopubWelcomeTests):
        kernel_name = 'echo-test'
        support_iopub_welcome = True

        @classmethod
        def setUpClass(cls):
            cls.argv = support.echo_argv()
            super().setUpClass()


@unittest.skipUnless(support.has_inkling(), f'{support.INKLING} is not built')
class InklingConformance(Installed, jkt.KernelTests):
    kernel_name = 'inkling'
    argv = support.inkling_argv()
    language_name = 'inkling'
    file_extension = '.ink'
    completion_samples = [{'text': 'pred', 'matches': ['predict']}, {'text': 'evaluate --da'}]
    complete_code_samples = ['help', 'predict test[0]', '# a comment', '']
    incomplete_code_samples = ['predict \\', 'predict "seven']
    invalid_code_samples = ['no-such-word']
    code_page_something = 'predict?'
    code_generate_error = 'no-such-word'
    code_execute_result = [{'code': 'layers'}, {'code': 'help'}]
    code_display_data = [{'code': 'help\nlayers', 'mime': 'text/plain'}]
    code_history_pattern = 'lay*s'
    supported_history_operations = ('tail', 'range', 'search')
    code_inspect_sample = 'train'


if __name__ == '__main__':
    unittest.main()
