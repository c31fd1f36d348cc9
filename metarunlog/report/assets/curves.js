// Learning curves: a plot a metric, a line a run.
"use strict";
(() => {
  const NEAR = 30; // pixels from the pointer within which a line counts as meant
  const MANY = 400; // lines that still can be told apart: of more, means are shown first
  const [NONE, COLOUR] = ["-", "*"]; // no param, and all of one colour
  const SHARES = { none: 0, some: 0.6, much: 0.9, most: 0.97 };

  mrl.views.curves = (root, data) => {
    const many = data.ids.length > 1;
    const rows = new Map(data.ids.map((id, row) => [id, row]));
    const settings = {};
    // A setting of this view, kept in the address where it is not the usual one; what is not `allowed` there is left alone.
    const setting = (key, usual, allowed) => {
      const address = `curves.${key}`;
      const wanted = many ? mrl.address.get(address) : "";
      settings[key] = allowed.includes(wanted) ? wanted : usual;
      return (value) => {
        settings[key] = value;
        mrl.address.set(address, value === usual ? "" : value);
        draw();
      };
    };
    const params = new Map(data.params);
    const names = [...params.keys()];
    const seed = names.find((name) => /^(.*[._])?seed$/i.test(name));
    const setBy = setting("by", names.find((name) => name !== seed) ?? names[0] ?? NONE, [...names, NONE]);
    const setMean = setting("mean", names.length > 1 && seed ? seed : data.ids.length > MANY ? COLOUR : NONE, [...names, NONE, COLOUR]);
    const clocks = mrl.groups.clocks(data.metrics);
    const setOver = setting("over", NONE, clocks.map((metric) => metric.name));
    const setSmooth = setting("smooth", "none", Object.keys(SHARES));
    const [setMedian, setLogX, setLogY, setFar, setAll] = ["median", "logx", "logy", "far", "all"].map((key) => setting(key, "no", ["yes"]));

    const most = many ? 12 : 6; // plots that are shown at first
    const more = mrl.element("button", { type: "button", class: "press" });
    more.addEventListener("click", () => setAll("yes"));

    const grid = mrl.element("div", { class: many ? "plots" : "plots small" });
    const legend = mrl.element("div", { class: "legends" });
    const hint = mrl.element("span", { class: "count" });
    let close = [];
    let cut = false;

    function draw() {
      close.forEach((one) => one());
      cut = false;
      const { by, mean } = settings;
      // A mean over the values that colours stand for has no colour of its own.
      const plain = !many || (mean !== NONE && mean === by) || (mean === COLOUR && by === NONE);
      const values = params.get(by) ?? data.ids;
      const scale = mrl.colours.scale(values);
      const colour = (row) => (plain ? mrl.colour("accent") : scale.of(values[row]));
      const groups = mean === NONE ? data.ids.map((_, row) => [row]) : mrl.groups.alike(data.ids.length,
        mean === COLOUR ? [params.get(by)].filter(Boolean) : names.filter((name) => name !== mean).map((name) => params.get(name)));
      legend.replaceChildren(...(plain ? [] : [scale.legend(pickValue(by))]));
      grid.replaceChildren();
      const clock = clocks.find((metric) => metric.name === settings.over);
      const metrics = clock ? data.metrics.filter((metric) => metric !== clock).map((metric) => mrl.groups.over(metric, clock)) : data.metrics;
      const few = settings.all === "yes" || metrics.length <= most + 2 ? metrics : metrics.slice(0, most);
      more.hidden = few.length === metrics.length;
      more.textContent = `Show all ${metrics.length} metrics`;
      close = few.map(onOneAxis).map((metric) => linesOf(metric, groups)).filter((metric) => metric.lines.length).map((metric) => {
        const what = metric.lines.length === 1 ? "line" : "lines";
        const label = `${metric.name} over ${metric.xlabel}, ${metric.lines.length} ${what}`;
        const box = mrl.element("div", { class: "canvas", role: "img", "aria-label": label });
        grid.append(mrl.element("figure", {}, mrl.element("figcaption", {}, metric.name), box));
        return plot(box, metric, colour);
      });
      if (!close.length) grid.append(mrl.element("p", { class: "hint" }, "No run is left by the filter."));
      const flat = settings.logy === "yes" ? few.filter((metric) => metric.lines.every((line) => line.y.every((y) => !(y > 0)))) : [];
      const line = settings.median === "yes" ? "a line is a median, its band the middle half" : "a line is a mean, its band one standard deviation";
      hint.textContent = [
        mean === NONE ? "" : line,
        cut && settings.far === "no" ? "far outliers are cut off" : "",
        flat.length ? `no logarithm: ${flat.map((metric) => metric.name).join(", ")}` : "",
      ].filter(Boolean).join("; ");
    }

    // A click on a value of the legend leaves its runs only.
    function pickValue(by) {
      return by === NONE || !mrl.chosen.canFilter() ? null : (value) => mrl.narrow.to(by, value);
    }

    // Lines bring grids of x that they may share: one axis of all of them, and the places that a grid has on it.
    function onOneAxis(metric) {
      const x = [...new Set(metric.grids.flat())].sort((a, b) => a - b);
      const at = new Map(x.map((value, place) => [value, place]));
      return { ...metric, x, places: metric.grids.map((grid) => grid.map((value) => at.get(value))) };
    }

    // What is drawn: {row, rows, id, ys, band}. undefined joins what stands left and right of it, null is a gap.
    function linesOf(metric, groups) {
      const known = new Map();
      for (const line of metric.lines) {
        if (!mrl.chosen.has(line.id)) continue;
        const ys = new Array(metric.x.length);
        const places = metric.places[line.grid || 0];
        line.y.forEach((y, k) => { ys[places[k]] = y; });
        known.set(rows.get(line.id), { ...line, row: rows.get(line.id), ys });
      }
      const weight = SHARES[settings.smooth];
      const log = settings.logy === "yes" && [...known.values()].some((line) => line.y.some((y) => y > 0));
      const logx = settings.logx === "yes" && metric.x.some((x) => x > 0);
      const from = logx ? metric.x.findIndex((x) => x > 0) : 0;
      // As the settings show it; what has no logarithm becomes a gap in a line.
      const shown = (ys, gap) => {
        const smoothed = weight ? mrl.groups.smooth(ys, weight) : ys;
        return (log ? smoothed.map((y) => (y <= 0 && y !== null ? gap : y)) : smoothed).slice(from);
      };
      const lines = [];
      for (const group of groups) {
        const there = group.map((row) => known.get(row)).filter(Boolean);
        if (!there.length) continue;
        let [line] = there;
        if (there.length > 1) {
          const [mean, low, high, counts] = mrl.groups.spread(metric.x, there.map((one) => one.ys), settings.median === "yes");
          line = { row: line.row, ys: mean, band: [low, high], counts: counts.slice(from) };
        }
        lines.push({ ...line, ys: shown(line.ys, null), band: line.band?.map((ys) => shown(ys, undefined)), rows: there.map((one) => one.row) });
      }
      return { ...metric, x: metric.x.slice(from), lines, log, logx, one: (row) => known.has(row) && shown(known.get(row).ys, null) };
    }

    function plot(box, metric, colour) {
      const { log, logx, lines } = metric;
      const values = lines.flatMap((line) => line.ys.filter((y) => y !== null && y !== undefined));
      const far = log ? null : mrl.plot.lineLimits(lines.map((line) => line.ys)) ?? mrl.plot.outlierLimits(values);
      cut = cut || Boolean(far);
      const limits = settings.far === "yes" ? null : far ?? (log ? null : mrl.plot.bandLimits(values, lines));
      const series = lines.map((line) => ({
        stroke: colour(line.row), width: many ? (line.band ? 2 : 1.25) : 1.75, points: { show: single(line.ys), size: 5 },
      }));
      const banded = lines.filter((line) => line.band);
      const bands = banded.map((line, at) => {
        const low = 1 + lines.length + 2 * at;
        return { series: [low + 1, low], fill: mrl.colours.faint(colour(line.row)) };
      });
      const edges = banded.flatMap((line) => line.band.map(() => ({ stroke: "transparent", width: 0, points: { show: false } })));
      return mrl.plot.make(box, {
        height: many ? 260 : 180,
        data: [metric.x, ...lines.map((line) => line.ys), ...banded.flatMap((line) => line.band)],
        options: {
          scales: {
            x: { time: false, ...(logx ? { distr: 3, range: mrl.plot.logRange } : {}) },
            y: log ? { distr: 3, range: mrl.plot.logRange } : { range: mrl.plot.linearRange(limits) },
          },
          axes: mrl.plot.axes({ xlabel: metric.xlabel, xlog: logx, ylog: log, whole: metric.x.every(Number.isInteger) }),
          series: [{}, ...series, ...edges],
          bands,
          hooks: { draw: [(u) => ends(u, metric.x, lines, colour)] },
        },
        nearest: (u, left, top) => nearest(u, metric, lines, left, top),
        mark: (u, context, id) => {
          const ys = many && metric.one(rows.get(id));
          if (ys) trace(u, context, metric.x, ys, colour(rows.get(id)));
          return Boolean(ys);
        },
      });
    }

    const single = (ys) => { let count = 0; for (const y of ys) if (y !== undefined && y !== null && (count += 1) > 1) return false; return true; };

    // A cross where a run turned into nan or inf: above its last value.
    function ends(u, axis, lines, colour) {
      const context = u.ctx;
      const ratio = devicePixelRatio;
      lines.forEach((line) => {
        if (!line.end) return;
        const last = line.ys.findLastIndex((y) => y !== null && y !== undefined);
        const y = last < 0 ? u.bbox.top + 8 * ratio : Math.max(u.valToPos(line.ys[last], "y", true), u.bbox.top + 6 * ratio);
        const x = Math.min(u.valToPos(last < 0 ? line.end.x : axis[last], "x", true), u.bbox.left + u.bbox.width - 5 * ratio);
        const size = 4 * ratio;
        context.save();
        context.strokeStyle = many ? colour(line.row) : mrl.colour("bad");
        context.lineWidth = 2 * ratio;
        context.beginPath();
        context.moveTo(x - size, y - size);
        context.lineTo(x + size, y + size);
        context.moveTo(x - size, y + size);
        context.lineTo(x + size, y - size);
        context.stroke();
        context.restore();
      });
    }

    function nearest(u, metric, lines, left, top) {
      const at = u.posToIdx(left);
      let best = null;
      for (const line of lines) {
        const index = [0, -1, 1, -2, 2, -3, 3].map((d) => at + d).find((k) => line.ys[k] !== null && line.ys[k] !== undefined);
        if (index === undefined) continue;
        const away = Math.abs(u.valToPos(line.ys[index], "y") - top);
        if (away < NEAR && (!best || away < best.away)) best = { away, line, index };
      }
      if (!best) return null;
      const { line, index } = best;
      const id = data.ids[line.row];
      const lost = line.end ? [`turned ${line.end.kind} at ${metric.xlabel} ${mrl.number(line.end.x)}`] : [];
      const off = line.band && line.counts[index] > 1 ? ` ± ${mrl.number((line.band[1][index] ?? line.ys[index]) - line.ys[index], 3)}` : "";
      const value = `${metric.name} ${mrl.number(line.ys[index])}${off} at ${metric.xlabel} ${mrl.number(metric.x[index])}`;
      if (line.rows.length > 1) return { id, ids: line.rows.map((row) => data.ids[row]), lines: [among(line.counts[index], line.rows.length), value, ...mrl.plot.shared(data, line.rows)] };
      return { id, lines: [...(many ? [id] : []), value, ...mrl.plot.params(data, line.row), ...lost] };
    }

    const among = (count, all) => (count === all ? `${all} runs` : `${count} of ${all} runs: the others have no value here`);

    function trace(u, context, x, ys, stroke) {
      for (const [style, width] of [[mrl.colour("panel"), 6], [stroke, 3]]) {
        context.strokeStyle = style;
        context.lineWidth = width;
        context.lineJoin = "round";
        context.beginPath();
        let pen = false;
        ys.forEach((y, k) => {
          if (y === null) pen = false;
          if (y === null || y === undefined) return;
          context[pen ? "lineTo" : "moveTo"](u.valToPos(x[k], "x"), u.valToPos(y, "y"));
          pen = true;
        });
        context.stroke();
      }
    }

    root.replaceChildren();
    if (many) {
      const each = names.map((name) => [name, name]);
      const box = (label, key, set) => mrl.checkbox(label, settings[key] === "yes", (on) => set(on ? "yes" : "no"));
      root.append(mrl.element("div", { class: "tools" },
        mrl.select("Colour by", [...each, [NONE, "sub-experiment"]], setBy, settings.by),
        mrl.select("Mean over", [[NONE, "nothing: a line a run"], ...each, [COLOUR, "all of one colour"]], setMean, settings.mean),
        box("medians", "median", setMedian),
        mrl.select("Smooth", Object.keys(SHARES).map((name) => [name, name]), setSmooth, settings.smooth),
        ...(clocks.length ? [mrl.select("Over", [[NONE, "step"], ...clocks.map((metric) => [metric.name, metric.name])], setOver, settings.over)] : []),
        box("log x", "logx", setLogX), box("log y", "logy", setLogY), box("all outliers", "far", setFar), hint));
    }
    root.append(legend, grid, more);
    draw();
    return draw;
  };
})();
