// Lines of a plot: one a run, or of runs that belong together their mean or median and its spread; smoothed where asked.
"use strict";
(() => {
  // Which rows belong together. `average`: "" for none, the number of the param to average over, or "colour" for all of the
  // same colour. Returns [[row, ...], ...] in order of their first row.
  function rows(data, average, by) {
    const all = data.ids.map((_, row) => row);
    if (average === "") return all.map((row) => [row]);
    const names = average === "colour" ? (by === "" ? [] : [Number(by)]) : data.params.map((_, at) => at).filter((at) => at !== Number(average));
    const found = new Map();
    for (const row of all) {
      const key = JSON.stringify(names.map((at) => data.params[at][1][row]));
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(row);
    }
    return [...found.values()];
  }

  // Mean and one standard deviation to both sides, or median and the middle half, at each place at which a line has a value.
  // A line is taken as straight between its points. `lines` have values on one axis `x`; undefined joins, null is a gap.
  function spread(x, lines, median) {
    const filled = lines.map((ys) => fill(x, ys));
    const made = [new Array(x.length), new Array(x.length), new Array(x.length)];
    for (let k = 0; k < x.length; k += 1) {
      if (!lines.some((ys) => ys[k] !== undefined && ys[k] !== null)) continue;
      const known = Float64Array.from(filled.map((ys) => ys[k]).filter((y) => y !== null));
      const three = median ? quartiles(known.sort()) : deviation(known);
      made.forEach((values, at) => { values[k] = three[at]; });
    }
    return made;
  }

  function deviation(known) {
    const mean = known.reduce((a, b) => a + b, 0) / known.length;
    const off = known.length > 1 ? Math.sqrt(known.reduce((a, b) => a + (b - mean) ** 2, 0) / (known.length - 1)) : 0;
    return [mean, mean - off, mean + off];
  }

  // Between two values in proportion, as numpy does it.
  function quartiles(sorted) {
    return [0.5, 0.25, 0.75].map((share) => {
      const at = share * (sorted.length - 1);
      const low = Math.floor(at);
      return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
    });
  }

  // undefined between two points becomes the straight line between them; outside of all points null.
  function fill(x, ys) {
    const made = new Array(x.length).fill(null);
    let last = -1;
    for (let k = 0; k < x.length; k += 1) {
      const y = ys[k];
      if (y === undefined) continue;
      if (y !== null && last >= 0) {
        for (let j = last + 1; j < k; j += 1) made[j] = ys[last] + ((y - ys[last]) * (x[j] - x[last])) / (x[k] - x[last]);
      }
      made[k] = y;
      last = y === null ? -1 : k;
    }
    return made;
  }

  // An exponential moving average that starts without a bias; `weight` in 0..1 of the past. It starts anew after a gap.
  function smooth(ys, weight) {
    let [past, count] = [0, 0];
    return ys.map((y) => {
      if (y === undefined) return undefined;
      if (y === null) {
        [past, count] = [0, 0];
        return null;
      }
      past = weight * past + (1 - weight) * y;
      count += 1;
      return past / (1 - weight ** count);
    });
  }

  mrl.groups = { rows, spread, smooth, quartiles };
})();
