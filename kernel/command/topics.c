/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "kernel/command/command_priv.h"
#include "kernel/command/help.h"

const char ink_help_introduction[] =
    "Inkling is a digit classifier that you can look into. The same words work\n"
    "as a line in a notebook's cell and as a subcommand of the program 'inkling'.\n"
    "\n"
    "  draw                     draw a digit and watch the network\n"
    "  predict test[42]         ask about a picture\n"
    "  train --epochs 3         teach a network\n"
    "  evaluate                 how good is it, and where is it wrong";

const char ink_help_man_end[] = "";

const struct ink_topic ink_topic[] = {
    {"architectures", "Architectures", "how to write down a network of your own",
     "An architecture is a text with one node a line, 'name: op arguments'. The\n"
     "input of a node is the line above unless from= names others, so branches and\n"
     "residual sums are plain. The last node gives ten numbers, one a digit.\n"
     "\n"
     "  model new mine\n"
     "      image:  input 1x28x28\n"
     "      conv1:  conv 16 5x5 pad=2\n"
     "      relu1:  relu\n"
     "      pool1:  maxpool 2x2\n"
     "      flat:   flatten\n"
     "      dense1: dense 10\n"
     "\n"
     "Ops: input CxHxW; conv CHANNELS KxK [stride=S] [pad=P] [bias=no]; dense N\n"
     "[bias=no]; relu, leakyrelu SLOPE, sigmoid, tanh; maxpool KxK, avgpool KxK\n"
     "[stride=S]; globalpool; batchnorm; add from=A,B; concat from=A,B; flatten;\n"
     "dropout RATE. 'model new NAME ZOO' starts from an architecture that comes with\n"
     "the program; 'model list' names them."},
    {"cells", "Cells", "how a cell of a notebook is read",
     "A cell is a list of lines with one command each. '#' starts a comment, a\n"
     "backslash at the end of a line continues it, and words are quoted as in a\n"
     "shell: 'as it is', \"with \\\" inside\". Indented lines below a command belong to\n"
     "it. Results of all commands but the last are displays; the last one is the\n"
     "cell's result. A cell stops at the first error."},
    {"pictures", "Pictures", "how pictures are named",
     "  test[42]                one picture of the test set, counted from 0\n"
     "  test[-1]                the last one\n"
     "  train[0:20]             a range: 0 to 19\n"
     "  test[label=7]           all sevens\n"
     "  test[wrong]             what the network gets wrong\n"
     "  test[random]            one by chance; test[random:9] nine\n"
     "  mnist.test[3]           of another data set than the current one\n"
     "  drawn                   what was drawn last; drawn[-2], drawn[0:5]\n"
     "  photos/seven.png        a file: PNG, JPEG, BMP, PGM\n"
     "  photos                  a folder: all its pictures\n"
     "\n"
     "Files and drawings are prepared as the training pictures were: ink found,\n"
     "cropped, scaled to 20 pixels, centred by its mass in 28x28. Pictures of data\n"
     "sets are taken as they are."},
    {"program", "Program", "installing it, its environment variables and exit codes",
     "Besides the commands the program has these words:\n"
     "\n"
     "  inkling install          make the kernel known to your Jupyter; with --prefix\n"
     "                           /usr/local to everybody's on this machine\n"
     "  inkling uninstall        forget it; the same options\n"
     "  inkling kernel -f FILE   be a notebook's kernel: Jupyter calls this\n"
     "  inkling --version\n"
     "\n"
     "INKLING_DATA names a folder with one folder a data set (mnist with its four\n"
     "files), INKLING_STORE the folder of trained networks, INKLING_LOG what is logged\n"
     "to standard error: error, warn, info or debug, INKLING_MNIST_MIRROR a URL to\n"
     "try before the public mirrors (file:// too; none = no downloads), INKLING_CPU\n"
     "how to compute: avx512bf16, avx512, avx2, baseline or reference, INKLING_THREADS\n"
     "on how many threads where --threads does not say. INKLING_TOKEN is the server's\n"
     "token.\n"
     "\n"
     "Exit codes: 0 done; 64 a word or option is wrong; 65 data is broken or too\n"
     "large; 66 not found; 69 not possible now; 70 our fault; 71 no memory; 74 reading\n"
     "or writing failed; 75 busy; 77 not allowed; 130 stopped by Ctrl-C,\n"
     "143 by SIGTERM."},
};
const size_t ink_topic_count = INK_COUNT(ink_topic);

const struct ink_topic *
ink_topic_find(const char *name)
{
    for (size_t i = 0; i < ink_topic_count; i++)
        if (strcmp(ink_topic[i].name, name) == 0)
            return &ink_topic[i];
    return NULL;
}
