# SPDX-License-Identifier: MIT
"""Networks: training, answering one picture, answering many; beside PyTorch and ONNX Runtime."""
import os

from measure import FOLDER, PROGRAM, ROOT, Load, Missing, Row, median, ratio_of, run, say, take_turns

THREADS, BATCH, EPOCH_STEPS = 2, 128, 60000 / 128
A = 'conv32'  # one convolution and one dense layer, as small as a convolutional network gets


def arch_of(net):
    return os.path.join(ROOT, 'tests/bench/conv32.arch' if net == A else f'model/zoo/{net}.arch')


def weights_of(net, peers):
    """A file of weights that have learned at least a little: how much there is to compute depends on them. Made once."""
    if net == 'inkling':
        return os.path.join(ROOT, 'model/pretrained/inkling.safetensors')
    path = os.path.join(FOLDER, f'{net}.safetensors')
    sources = [arch_of(net)]
    if not os.path.exists(path) or any(os.path.getmtime(path) < os.path.getmtime(source) for source in sources):
        os.makedirs(FOLDER, exist_ok=True)
        say(f'  training {net} a little, for its weights')
        peers.ours().tell('load', net=arch_of(net))
        peers.ours().tell('train', threads=THREADS, pictures=12800 if net == 'twobranch' else 60000)
        peers.ours().tell('save', file=path)
    return path


# ---- training ----

# net: pictures that we learn from in a round, PyTorch's steps in a round, how far ahead of PyTorch to be: f32, bf16
TRAIN = {A: (60000, 60, {'f32': 9.5, 'bf16': 9.1}), 'keras': (10240, 15, {'f32': 4.7, 'bf16': 5.0}),
         'resnet': (7680, 20, {'f32': 2.1, 'bf16': 2.6}), 'twobranch': (1920, 5, {'f32': 3.1, 'bf16': 4.3})}


def best_torch(net, precision, steps, peers):
    """PyTorch's fastest mode for a network, and a function that does a round with it."""
    torch = peers.torch()
    ask = lambda mode: torch.ask('train', net=arch_of(net), mode=mode, precision=precision, threads=THREADS, batch=BATCH,
                                 steps=steps)['seconds_per_step']
    modes = torch.ask('modes')['modes']
    tried = {mode: min(ask(mode), ask(mode)) for mode in modes}
    best = min(tried, key=tried.get)
    return f'{torch.version} {best}', lambda: ask(best)


def train_row(net, precision, context):
    pictures, steps, goals = TRAIN[net]
    ours = context.peers.ours()
    try:
        peer, theirs = best_torch(net, precision, steps, context.peers)
    except Missing as reason:
        peer, theirs = str(reason), None
    ours.tell('load', net=arch_of(net))
    last = {}

    def step():
        last.update(ours.tell('train', threads=THREADS, batch=BATCH, pictures=pictures, precision=precision))
        return last['seconds_per_step']

    step()  # the first round trains fresh weights, which have more to compute than any later ones
    with Load() as load:
        found = take_turns(2 if context.is_quick else 7, step, *[theirs] * (theirs is not None))
    seconds = median(found[0]) * EPOCH_STEPS
    row = Row(f'train {net}, {precision}, an epoch', 's', seconds, peer, foreign=load.foreign, details={'rounds': found})
    if theirs:
        row.theirs, row.ratio = median(found[1]) * EPOCH_STEPS, ratio_of(*found)
    row.ahead(goals[precision])
    return row


def peak_row(net, precision, row, context):
    """What of the machine's measured peak a training step reaches, counted in the arithmetic that is done."""
    done = context.peers.ours().tell('profile', batch=BATCH, pictures=1280 if net == 'twobranch' else 2560, precision=precision)
    least_s = sum(done[kind] / (context.peak[kind] * 1e9) for kind in ('f32', 'bf16') if done[kind])
    share = least_s / (row.ours / EPOCH_STEPS) * 100
    found = Row(f'train {net}, {precision}, of the measured peak', '%', share, foreign=row.foreign,
                note=f'{(done["f32"] + done["bf16"]) / 1e9:.2f} G operations a step',
                details={'profile': done['kernels'], 'peak': context.peak_of_one})
    found.goal, found.is_met = '>= 70 %', share >= 70
    return found


def train_rows(context, nets):
    for net in nets or TRAIN:
        for precision in context.precisions:
            row = train_row(net, precision, context)
            yield row
            if context.peak:
                yield peak_row(net, precision, row, context)
        context.peers.close('torch')  # its memory


# ---- answering ----

# us that a warm answer may take: f32, and half of it with less precision
ANSWER = {A: 8, 'keras': 95, 'resnet': 80, 'twobranch': 700, 'inkling': None}
BATCH_AHEAD = {'f32': 1.3, 'bf16': 2.0}


def onnx_of(net, context):
    """The same network with the same weights as ONNX Runtime reads it."""
    weights = weights_of(net, context.peers)
    path = os.path.join(FOLDER, f'{net}.onnx')
    os.makedirs(FOLDER, exist_ok=True)
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(weights):
        run([PROGRAM, 'export', '--model', weights, '--format', 'onnx', '--out', path])
    return path


def check_same(net, model, context, kept=set()):
    """Both sides have the same network: their probabilities for some pictures agree."""
    if net in kept:
        return
    ours = context.peers.ours()
    ours.tell('load', net=weights_of(net, context.peers))
    pairs = zip(ours.tell('show', count=50), context.peers.onnx().ask('show', model=model, count=50), strict=True)
    apart = max(abs(our - their) for our, their in pairs)
    if not apart < 1e-4:
        raise RuntimeError(f'{net}: ONNX Runtime answers something else, {apart:.2g} apart')
    kept.add(net)


def theirs_of(net, context, **words):
    """ONNX Runtime's name and a function that measures it, or why there is none."""
    try:
        onnx = context.peers.onnx()
        model = onnx_of(net, context)
        check_same(net, model, context)
        return onnx.version, lambda: onnx.ask('answer', model=model, **words)
    except Missing as reason:
        return str(reason), None


def answers(net, precision, context, turns, **words):
    """[our p50 and p99 of each round], [theirs]"""
    ours = context.peers.ours()
    ours.tell('load', net=weights_of(net, context.peers))
    peer, theirs = theirs_of(net, context, **words)
    with Load() as load:
        found = take_turns(turns, lambda: ours.tell('answer', precision=precision, **words), *[theirs] * (theirs is not None))
    return peer, found, load.foreign


def answer_row(net, precision, context, gap_ms):
    turns, count = (2, 100 if net == 'twobranch' else 500) if context.is_quick else (7, 300 if net == 'twobranch' else 3000)
    if gap_ms:
        count = 25 if context.is_quick else 75
    peer, found, foreign = answers(net, precision, context, turns, threads=1, count=1, rounds=count, gap_ms=gap_ms)
    p50 = [[answer['p50_us'] for answer in one] for one in found]
    p99 = [median(answer['p99_us'] for answer in one) for one in found]
    how = f'one every {gap_ms} ms' if gap_ms else 'one picture, warm'
    row = Row(f'answer {net}, {precision}, {how}, p50', 'us', median(p50[0]), peer, foreign=foreign,
              note='p99 ' + ' beside '.join(f'{value:,.0f}' for value in p99), details={'p50': p50, 'p99': p99})
    if len(found) > 1:
        row.theirs, row.ratio = median(p50[1]), ratio_of(*p50)
    if not gap_ms and ANSWER[net]:
        row.at_most(ANSWER[net] / (1 if precision == 'f32' else 2))
    return row


def answer_rows(context, nets):
    for net in nets or ANSWER:
        for precision in context.precisions:
            yield answer_row(net, precision, context, 0)


def cold_rows(context, nets):
    for net in nets or ANSWER:
        for precision in context.precisions:
            yield answer_row(net, precision, context, 20)


def batch_rows(context, nets):
    for net in nets or ANSWER:
        for precision in context.precisions:
            turns, count = (2, 4) if context.is_quick else (7, {A: 200, 'twobranch': 6}.get(net, 30))
            peer, found, foreign = answers(net, precision, context, turns, threads=THREADS, count=256, rounds=count, gap_ms=0)
            rates = [[256e6 / answer['p50_us'] for answer in one] for one in found]
            row = Row(f'answer {net}, {precision}, 256 at a time', 'pictures/s', median(rates[0]), peer, foreign=foreign,
                      details={'rates': rates})
            if len(found) > 1:
                row.theirs, row.ratio = median(rates[1]), ratio_of(rates[1], rates[0])
            yield row.ahead(BATCH_AHEAD[precision]) if net in TRAIN else row
