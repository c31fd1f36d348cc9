// Effects: a plot a param, its values against a chosen metric; the bar is the median of each value.
"use strict";
(() => {
  const NEAR = 20;

  const name = (metric) => `${{ min: "lowest", max: "highest", last: "last" }[metric.stat]} ${metric.name}`;
  mrl.metricName = name;

  mrl.views.effects = (root, data) => {
    const grid = mrl.element("div", { class: "plots" });
    const first = Math.max(data.metrics.findIndex((metric) => metric.name === mrl.address.get("effects.metric")), 0);
    const state = { metric: first, log: mrl.address.get("effects.logy") === "yes" };
    const hint = mrl.element("span", { class: "count" });
    const pair = mrl.element("div", { class: "pair" });
    const spread = data.params.map((param, at) => [mrl.colours.distinct(param[1]).length, at]).sort((a, b) => b[0] - a[0]);
    const byName = (name, usual) => { const at = data.params.findIndex((param) => param[0] === name); return at < 0 ? usual : at; };
    const seeds = data.params.map(([name]) => /^(.*[._])?seed$/i.test(name));
    const usual = spread.filter(([, at]) => !seeds[at]).concat(spread.filter(([, at]) => seeds[at])).map(([, at]) => at);
    [state.x, state.y] = [byName(mrl.address.get("heat.x"), usual[0]), byName(mrl.address.get("heat.y"), usual[1])];
    let close = [];

    function draw() {
      close.forEach((one) => one());
      grid.replaceChildren();
      hint.textContent = "bars are medians";
      close = data.params.map(([param, values]) => {
        const label = `${name(data.metrics[state.metric])} by ${param}`;
        const box = mrl.element("div", { class: "canvas", role: "img", "aria-label": label });
        grid.append(mrl.element("figure", {}, mrl.element("figcaption", {}, param), box));
        return plot(box, values, data.metrics[state.metric]);
      });
      if (data.params.length > 1) drawPair();
    }

    // Two params at once: a heat map below.
    function drawPair() {
      const names = data.params.map(([param], at) => [String(at), param]);
      const choose = (label, key) => mrl.select(label, names, (at) => {
        state[key] = Number(at);
        mrl.address.set(`heat.${key}`, data.params[state[key]][0]);
        drawPair();
      }, String(state[key]));
      const hint = mrl.element("span", { class: "count" }, `${name(data.metrics[state.metric])}, the median of each cell`);
      pair.replaceChildren(mrl.element("div", { class: "tools" }, choose("Two params:", "y"), choose("and", "x"), hint),
        mrl.heatmap(data, data.metrics[state.metric], state.x, state.y));
    }

    function plot(box, values, metric) {
      const log = state.log && metric.values.some((v) => v > 0);
      const axis = mrl.colours.axis(values);
      const points = values.map((value, row) => ({ row, value, y: metric.values[row] }))
        .filter((point) => point.y !== null && (!log || point.y > 0) && mrl.chosen.has(data.ids[point.row]));
      const width = axis.slots || 1;
      place(points, axis);
      points.sort((a, b) => a.x - b.x);
      const accent = mrl.colour("accent");
      const ticks = axis.slots ? axis.ticks.map(([share]) => share * (width - 1)) : axis.ticks.map(([share]) => share);
      const labels = axis.ticks.map(([, text]) => text);
      const limits = log ? null : mrl.plot.farLimits(points.map((point) => point.y));
      const beyond = (point) => (!limits ? 0 : point.y > limits[1] ? 1 : point.y < limits[0] ? -1 : 0);
      if (limits) hint.textContent = "bars are medians, triangles lie far beyond the others";
      // Pixels in the plot, from its upper left; what is far out stands at the edge.
      const spot = (u, point) => [u.valToPos(point.x, "x"),
        beyond(point) > 0 ? 8 : beyond(point) < 0 ? u.over.clientHeight - 8 : u.valToPos(point.y, "y")];
      return mrl.plot.make(box, {
        height: 220,
        data: [points.map((point) => point.x), points.map((point) => (beyond(point) ? null : point.y))],
        options: {
          cursor: { points: { show: false }, x: false, y: false, drag: { x: false, y: false } },
          scales: {
            x: { time: false, range: axis.slots ? [-0.5, width - 0.5] : [-0.04, 1.04] },
            y: log ? { distr: 3, range: mrl.plot.logRange } : { range: mrl.plot.linearRange(null) },
          },
          axes: mrl.plot.axes({ ylog: log, xsplits: ticks, xvalues: (u) => labels.map((text) => mrl.short(text, Math.floor(u.width / (labels.length + 1) / 7))) }),
          series: [{}, { paths: () => null, points: { show: true, size: points.length > 500 ? 4 : 8.5, width: 1.25, stroke: accent, fill: mrl.colour("accent-soft") } }],
          hooks: { draw: [(u) => medians(u, points, axis), (u) => triangles(u, points.filter(beyond), beyond, spot)] },
        },
        nearest: (u, left, top) => {
          let best = null;
          for (const point of points) {
            const [x, y] = spot(u, point);
            const away = Math.hypot(x - left, y - top);
            if (away < NEAR && (!best || away < best.away)) best = { away, point };
          }
          if (!best) return null;
          const { row, y } = best.point;
          return { id: data.ids[row], lines: [data.ids[row], `${name(metric)} ${mrl.number(y)}`, ...mrl.plot.params(data, row)] };
        },
        mark: (u, context, id) => {
          const point = points.find((one) => data.ids[one.row] === id);
          if (!point) return false;
          context.fillStyle = accent;
          context.beginPath();
          context.arc(...spot(u, point), 6, 0, 7);
          context.fill();
          return true;
        },
      });
    }

    // Runs with the same value stand side by side, in the order of their numbers.
    function place(points, axis) {
      if (!axis.slots) return points.forEach((point) => { point.x = axis.share(point.value); });
      for (const [slot, members] of group(points, (p) => axis.slot(p.value))) {
        const step = Math.min(0.08, 0.6 / members.length);
        members.forEach((point, k) => { point.x = slot + (k - (members.length - 1) / 2) * step; });
      }
    }

    function group(points, key) {
      const found = new Map();
      for (const point of points) {
        if (!found.has(key(point))) found.set(key(point), []);
        found.get(key(point)).push(point);
      }
      return found;
    }

    function medians(u, points, axis) {
      if (!axis.slots) return;
      const context = u.ctx;
      context.save();
      context.strokeStyle = mrl.colour("text");
      context.lineWidth = 2 * devicePixelRatio;
      for (const [slot, members] of group(points, (p) => axis.slot(p.value))) {
        const sorted = members.map((p) => p.y).sort((a, b) => a - b);
        const middle = (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
        const y = u.valToPos(middle, "y", true);
        context.beginPath();
        context.moveTo(u.valToPos(slot - 0.32, "x", true), y);
        context.lineTo(u.valToPos(slot + 0.32, "x", true), y);
        context.stroke();
      }
      context.restore();
    }

    // Runs far beyond the others, as arrows at the edge.
    function triangles(u, points, beyond, spot) {
      const ratio = devicePixelRatio;
      const context = u.ctx;
      context.save();
      context.fillStyle = mrl.colour("bad");
      for (const point of points) {
        const [x, y] = spot(u, point);
        const [left, top] = [u.bbox.left + x * ratio, u.bbox.top + y * ratio];
        const size = 5 * ratio;
        context.beginPath();
        context.moveTo(left, top - beyond(point) * size);
        context.lineTo(left - size, top + beyond(point) * size);
        context.lineTo(left + size, top + beyond(point) * size);
        context.fill();
      }
      context.restore();
    }

    if (!data.params.length) {
      root.replaceChildren(mrl.element("p", { class: "hint" }, "No param varies."));
      return null;
    }
    root.replaceChildren(mrl.element("div", { class: "tools" },
      mrl.select("Metric", data.metrics.map((metric, at) => [String(at), name(metric)]), (at) => {
        state.metric = Number(at);
        mrl.address.set("effects.metric", state.metric ? data.metrics[state.metric].name : "");
        draw();
      }, String(state.metric)),
      mrl.checkbox("log y", state.log, (log) => { state.log = log; mrl.address.set("effects.logy", log ? "yes" : ""); draw(); }),
      hint), grid, pair);
    draw();
    return draw;
  };
})();
