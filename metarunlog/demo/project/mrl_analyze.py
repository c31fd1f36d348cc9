"""What to make of the runs: `mrl analyze` calls these functions and builds the report from what they return.

The keys analysis_overview (once an experiment) and analysis_subexp (once a sub-experiment) in .mrl.cfg say which ones
are called, in which order and with which extra arguments. Parameters are filled in by name; take those you need:

expDir, subExpDir   folder of the experiment, of the sub-experiment
subExpIds, Dparams  ids such as ["001", "002"]; their params, a DataFrame with a row each
subExpId, params    the same of one sub-experiment: "001"; {"lr": 0.1, ...}
outdir              folder for files that the function makes
any other           the extra arguments, in the order written in .mrl.cfg

Each returns a list of (data, type, header or None). Types: "table" for a DataFrame, "text" for Markdown, "plot" for a
Bokeh or matplotlib figure or the name of a file in outdir, "html", "mp4".

Nothing needs to be declared: mrl records which files a function reads and which code it uses, and calls it again when
one of these changes, and only then.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from bokeh.transform import linear_cmap

import metarunlog

DIGITS = [str(digit) for digit in range(10)]
WHITE_TO_BLUE = ["#ffffff", "#dbe9f6", "#bad6eb", "#89bedc", "#539ecd", "#2b7bba", "#0b559f"]
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"]


def final_accuracy(subExpDir):
    """Share of validation images read right after the last epoch so far; nan if the run diverged, None if not begun.

    `metarunlog.load` gives the parsed logs of a sub-experiment, here {"metrics": DataFrame} for metrics.csv.
    """
    metrics = metarunlog.load(subExpDir).get("metrics")
    return None if metrics is None or metrics.empty else float(metrics["val_acc"].iloc[-1])


def load_predictions(subExpDir):
    """What train.py saved at its end, a row a validation image; None while it runs and if it diverged."""
    try:
        with np.load(Path(subExpDir, "predictions.npz")) as arrays:
            return pd.DataFrame({name: arrays[name] for name in ("row", "digit", "read_as")})
    except FileNotFoundError:
        return None


def hardest(expDir, subExpIds, Dparams, top=8):
    """Overview: the best run, and over all runs the digits confused most often and the images misread most often."""
    accuracy = {subExpId: final_accuracy(Path(expDir, subExpId)) for subExpId in subExpIds}
    found = {subExpId: load_predictions(Path(expDir, subExpId)) for subExpId in subExpIds}
    predictions = {subExpId: table for subExpId, table in found.items() if table is not None}
    text = describe(accuracy, Dparams)
    if not predictions:
        return [(text, "text", None)]

    everything = pd.concat(predictions.values(), ignore_index=True)
    wrong = everything[everything["digit"] != everything["read_as"]]
    pairs = wrong.groupby(["digit", "read_as"]).size().sort_values(ascending=False, kind="stable").head(top)
    table = pairs.rename("times").reset_index()
    table["share of all mistakes"] = (table["times"] / len(wrong)).map("{:.1%}".format)
    return [
        (text, "text", None),
        (table, "table", f"Most confused digits, {len(predictions)} finished runs together"),
        (gallery(expDir, wrong, len(predictions)), "plot", "The images that most runs got wrong"),
    ]


def describe(accuracy, Dparams):
    """One paragraph of Markdown: the best run and its params, which runs diverged, which are still to come."""
    known = pd.Series({subExpId: value for subExpId, value in accuracy.items() if value is not None}, dtype=float)
    lines = []
    if known.notna().any():
        best = known.idxmax()
        params = ", ".join(f"{name} = {value}" for name, value in Dparams.loc[best].items() if name != "subExpId")
        lines.append(f"**Best: {best}** reads {known[best]:.1%} of the validation images right ({params}).")
    if known.isna().any():
        lines.append(f"Diverged: {', '.join(known.index[known.isna()])}.")
    if len(known) < len(accuracy):
        lines.append(f"No log yet: {', '.join(subExpId for subExpId in accuracy if subExpId not in known)}.")
    return " ".join(lines)


def gallery(expDir, wrong, runs, columns=6, rows=2):
    """A Bokeh figure with the images of the rows in `wrong` that occur most often, and what they were taken for."""
    often = wrong.groupby("row").size().sort_values(ascending=False, kind="stable").head(columns * rows)
    # code/ is the checkout that the runs of this experiment used, so this is the data that they saw.
    data = np.loadtxt(Path(expDir, "code", "digits.csv.gz"), delimiter=",")
    high = rows * 1.35
    fig = figure(width=columns * 110, height=rows * 150, x_range=(0, columns), y_range=(0, high), toolbar_location=None)
    fig.axis.visible = fig.grid.visible = False
    fig.outline_line_color = None
    for place, (row, times) in enumerate(often.items()):
        x, y = place % columns, high - (place // columns + 1) * 1.35
        taken_for = wrong.loc[wrong["row"] == row, "read_as"].mode().iloc[0]
        fig.image(image=[np.flipud(16 - data[row, :64].reshape(8, 8))], x=x, y=y, dw=0.95, dh=0.95, palette="Greys256")
        label = f"{data[row, 64]:.0f} read as {taken_for}\nin {times} of {runs} runs"
        fig.text(x=[x + 0.05], y=[y + 0.98], text=[label], text_font_size="12px", text_baseline="bottom")
    return fig


def accuracy_by_lr(expDir, subExpIds, Dparams):
    """Overview: final validation accuracy against the learning rate, a line for each hidden size and momentum."""
    runs = Dparams.assign(val_acc=[final_accuracy(Path(expDir, subExpId)) for subExpId in subExpIds])
    runs = runs.dropna(subset="val_acc").sort_values("lr")
    fig = figure(height=360, sizing_mode="stretch_width", x_axis_type="log")
    fig.xaxis.axis_label, fig.yaxis.axis_label = "lr", "val_acc after the last epoch"
    sizes = sorted(runs["hidden"].unique())
    for (hidden, momentum), line in runs.groupby(["hidden", "momentum"]):
        colour, dash = COLOURS[sizes.index(hidden) % len(COLOURS)], "dashed" if momentum else "solid"
        label = f"hidden {hidden}, momentum {momentum:g}"
        fig.line(line["lr"], line["val_acc"], color=colour, line_width=2, line_dash=dash, legend_label=label)
        fig.scatter(line["lr"], line["val_acc"], color=colour, size=8)
    if len(runs):
        fig.legend.location = "bottom_right"
    return [(fig, "plot", "Accuracy by learning rate")]


def confusion(subExpDir, params):
    """Section of one run: which digit (row) was read as which (column)."""
    predictions = load_predictions(subExpDir)
    if predictions is None:
        accuracy = final_accuracy(subExpDir)
        diverged = accuracy is not None and np.isnan(accuracy)
        why = f"This run diverged with lr = {params['lr']}" if diverged else "This run has not come to its end"
        return [(f"{why}: no predictions.", "text", "Confusion")]
    counts = np.zeros((10, 10), dtype=int)
    np.add.at(counts, (predictions["digit"], predictions["read_as"]), 1)
    # The root spreads the colours, so that a single mistake still shows beside 45 right answers.
    shade = np.sqrt(counts).ravel()
    cells = {
        "digit": [digit for digit in DIGITS for _ in DIGITS],
        "read_as": DIGITS * 10,
        "shade": shade,
        "ink": np.where(shade > shade.max() * 0.6, "white", "#222222").tolist(),
        "label": [str(count) if count else "" for count in counts.ravel()],
    }
    source = ColumnDataSource(cells)
    fig = figure(
        width=420, height=420, x_range=DIGITS, y_range=DIGITS[::-1], x_axis_location="above", toolbar_location=None
    )
    fig.xaxis.axis_label, fig.yaxis.axis_label = "read as", "digit"
    fill = linear_cmap("shade", WHITE_TO_BLUE, 0, shade.max())
    fig.rect("read_as", "digit", 1, 1, source=source, fill_color=fill, line_color="#dddddd")
    middle = {"text_font_size": "12px", "text_align": "center", "text_baseline": "middle"}
    fig.text("read_as", "digit", "label", source=source, text_color="ink", **middle)
    return [(fig, "plot", "Confusion")]
