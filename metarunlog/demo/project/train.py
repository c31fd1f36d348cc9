"""Train a small neural network on handwritten digits: numpy only, one hidden layer, a second or so on one core.

Knows nothing of mrl. It reads conf.yaml from the current folder and the data from beside this script, and leaves in the
current folder

metrics.csv       a row an epoch, written as training goes: epoch, train_loss, train_acc, val_loss, val_acc
predictions.npz   at the end: row (line of the data, from 0), digit (the truth) and read_as for each validation image

A run whose loss becomes nan or infinite has diverged. That is a result and not a crash: the row goes into the log, the
run ends with exit code 0 and there are no predictions.
"""

import os

# One core a run, so that several runs side by side do not fight for them; numpy reads these when it is imported.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[name] = "1"

from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import yaml  # noqa: E402

DATA = Path(__file__).resolve().parent / "digits.csv.gz"
N_VAL = 450  # the last quarter; not shuffled, as neighbouring rows look alike
LEAK = np.float32(0.1)  # slope of the hidden units' leaky ReLU below 0
COLUMNS = ("epoch", "train_loss", "train_acc", "val_loss", "val_acc")


def read_config(path="conf.yaml"):
    """The config as numbers; float() because YAML 1.1 takes 1e-3 for a text."""
    conf = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    whole = {key: int(conf[key]) for key in ("hidden", "epochs", "batch", "seed")}
    return whole | {key: float(conf[key]) for key in ("lr", "momentum")}


def load_data(path=DATA):
    """Images (1797, 64) with pixels from 0 to 1, and digits (1797,), each in two parts: training, validation."""
    table = np.loadtxt(path, delimiter=",", dtype=np.float32)
    images, digits = table[:, :64] / 16, table[:, 64].astype(int)
    return (images[:-N_VAL], digits[:-N_VAL]), (images[-N_VAL:], digits[-N_VAL:])


def init_weights(hidden, rng):
    """Weights and biases of both layers, He's initialisation."""
    first = rng.normal(0, np.sqrt(2 / 64), (64, hidden))
    second = rng.normal(0, np.sqrt(2 / hidden), (hidden, 10))
    return [array.astype(np.float32) for array in (first, np.zeros(hidden), second, np.zeros(10))]


def forward(weights, images):
    """Hidden activations and the log of the probability of each digit."""
    w1, b1, w2, b2 = weights
    hidden = images @ w1 + b1
    hidden = np.maximum(hidden, LEAK * hidden)
    logits = hidden @ w2 + b2
    logits = logits - logits.max(axis=1, keepdims=True)
    return hidden, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def gradients(weights, images, digits):
    """Of the mean cross-entropy, in the order of the weights."""
    hidden, log_prob = forward(weights, images)
    error = np.exp(log_prob)
    error[np.arange(len(digits)), digits] -= 1
    error /= len(digits)
    back = (error @ weights[2].T) * np.where(hidden > 0, np.float32(1), LEAK)
    return [images.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]


def evaluate(weights, images, digits):
    """Mean cross-entropy and the share read right; both nan once the network is broken."""
    _, log_prob = forward(weights, images)
    loss = -log_prob[np.arange(len(digits)), digits].mean()
    if not np.isfinite(loss):
        return float("nan"), float("nan")
    return float(loss), float((log_prob.argmax(axis=1) == digits).mean())


def train(conf, data, on_epoch):
    """Gradient descent with momentum; calls on_epoch(row) after each epoch. The weights, or None if it diverged."""
    (images, digits), validation = data
    rng = np.random.default_rng(conf["seed"])
    weights = init_weights(conf["hidden"], rng)
    speed = [np.zeros_like(array) for array in weights]
    for epoch in range(1, conf["epochs"] + 1):
        order = rng.permutation(len(digits))
        for start in range(0, len(order), conf["batch"]):
            picked = order[start : start + conf["batch"]]
            for w, v, g in zip(weights, speed, gradients(weights, images[picked], digits[picked])):
                v *= conf["momentum"]
                v -= conf["lr"] * g
                w += v
        row = (epoch, *evaluate(weights, images, digits), *evaluate(weights, *validation))
        on_epoch(row)
        if not np.isfinite(row[1]):
            return None
    return weights


def save_predictions(weights, images, digits, path="predictions.npz"):
    """Written beside and then renamed, so that nobody ever reads half a file."""
    _, log_prob = forward(weights, images)
    rows = np.arange(1797 - N_VAL, 1797)
    with open("predictions.tmp", "wb") as file:
        np.savez(file, row=rows, digit=digits, read_as=log_prob.argmax(axis=1))
    os.replace("predictions.tmp", path)


def main():
    conf = read_config()
    data = load_data()
    Path("predictions.npz").unlink(missing_ok=True)  # of an earlier run in this folder
    print(" ".join(f"{key}={value:g}" for key, value in conf.items()), flush=True)
    with open("metrics.csv", "w", encoding="utf-8") as log:
        print(*COLUMNS, sep=",", file=log, flush=True)

        def on_epoch(row):
            epoch, *values = row
            print(epoch, *(f"{value:.6g}" for value in values), sep=",", file=log, flush=True)
            named = "  ".join(f"{name} {value:.4g}" for name, value in zip(COLUMNS[1:], values))
            print(f"epoch {epoch:3d}  {named}", flush=True)

        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a diverging run is told once, below
            weights = train(conf, data, on_epoch)
    if weights is None:
        print("diverged: the loss is no longer a finite number; a smaller lr or momentum would help")
    else:
        save_predictions(weights, *data[1])


if __name__ == "__main__":
    main()
