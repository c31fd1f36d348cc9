// Lines of a plot: one a run, or of runs that belong together their mean or median and its spread; smoothed where asked.
"use strict";
(() => {
  // Rows with the same values in all columns: [[row, ...], ...] in order of their first row.
  function alike(count, columns) {
    const found = new Map();
    for (let row = 0; row < count; row += 1) {
      const key = JSON.stringify(columns.map((values) => values[row]));
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(row);
    }
    return [...found.values()];
  }

  // Mean and one standard deviation to both sides, or median and the middle half, at each place at which a line has a value;
  // and of how many lines.
  // A line is taken as straight between its points. `lines` have values on one axis `x`; undefined joins, null is a gap.
  function spread(x, lines, median) {
    const filled = lines.map((ys) => fill(x, ys));
    const made = [new Array(x.length), new Array(x.length), new Array(x.length), new Array(x.length)];
    for (let k = 0; k < x.length; k += 1) {
      if (!lines.some((ys) => ys[k] !== undefined && ys[k] !== null)) continue;
      const known = Float64Array.from(filled.map((ys) => ys[k]).filter((y) => y !== null));
      const three = median ? quartiles(known.sort()) : deviation(known);
      [...three, known.length].forEach((value, at) => { made[at][k] = value; });
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

  // --- over time ---

  const CLOCK = /(^|[^a-z])(time|times|seconds?|secs?|minutes?|hours?|elapsed|wall|walltime|wall_?clock|duration)([^a-z]|$)/i;

  // Metrics that can stand for x: a clock that never goes back in any run.
  function clocks(metrics) {
    const rises = (ys) => { let last = -Infinity; return ys.every((y) => y === null || (y >= last && ((last = y), true))); };
    return metrics.filter((metric) => CLOCK.test(metric.name) && metric.lines.every((line) => !line.end && rises(line.y)));
  }

  // A metric with the values of a clock as x. Each run has its own times, so all are put on one grid of them, straight lines
  // between the points; runs without that clock are left out.
  function over(metric, clock, positions = 400) {
    const times = new Map(clock.lines.map((line) => [line.id, [clock.grids[line.grid || 0], line.y]]));
    const lines = [];
    for (const line of metric.lines) {
      if (!times.has(line.id)) continue;
      const [xs, ts] = known(...times.get(line.id));
      const grid = metric.grids[line.grid || 0];
      const at = grid.map((x) => between(xs, ts, x));
      lines.push({ ...line, at, ...(line.end ? { end: { ...line.end, x: between(xs, ts, line.end.x) } } : {}) });
    }
    const all = lines.flatMap((line) => line.at);
    const low = all.reduce((a, b) => Math.min(a, b), Infinity);
    const high = all.reduce((a, b) => Math.max(a, b), -Infinity);
    if (!(high > low)) return { ...metric, xlabel: clock.name, grids: [], lines: [] };
    const places = [...Array(positions).keys()].map((k) => low + (k * (high - low)) / (positions - 1));
    const grids = [];
    const moved = lines.map(({ at, ...line }) => {
      const own = places.filter((t) => t >= at[0] && t <= at[at.length - 1]);
      grids.push(own);
      return { ...line, grid: grids.length - 1, y: own.map((t) => between(at, line.y, t)) };
    });
    return { ...metric, xlabel: clock.name, grids, lines: moved };
  }

  function known(xs, ys) {
    const there = ys.map((_, k) => k).filter((k) => ys[k] !== null);
    return [there.map((k) => xs[k]), there.map((k) => ys[k])];
  }

  // On the straight lines between points; beyond the ends the nearest value; null where one side is missing.
  function between(xs, ys, x) {
    if (!xs.length) return null;
    let [low, high] = [0, xs.length - 1];
    if (x <= xs[low]) return ys[low];
    if (x >= xs[high]) return ys[high];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (xs[middle] <= x) low = middle;
      else high = middle;
    }
    if (ys[low] === null || ys[high] === null) return x === xs[low] ? ys[low] : null;
    return ys[low] + ((ys[high] - ys[low]) * (x - xs[low])) / (xs[high] - xs[low]);
  }

  mrl.groups = { alike, spread, smooth, quartiles, clocks, over };
})();
