// Learning curves: a plot a metric, a line a run.
"use strict";
(() => {
  const NEAR = 30; // pixels from the pointer within which a line counts as meant

  mrl.views.curves = (root, data) => {
    const many = data.ids.length > 1;
    const state = { by: data.params.length ? "0" : "", log: false, all: false };
    const rows = new Map(data.ids.map((id, row) => [id, row]));
    const grid = mrl.element("div", { class: many ? "plots" : "plots small" });
    const legend = mrl.element("div", { class: "legends" });
    const hint = mrl.element("span", { class: "count" });
    let close = [];
    let cut = false;

    function draw() {
      close.forEach((one) => one());
      cut = false;
      const values = state.by === "" ? data.ids : data.params[Number(state.by)][1];
      const scale = mrl.colours.scale(values);
      const colour = (id) => (many ? scale.of(values[rows.get(id)]) : mrl.colour("accent"));
      legend.replaceChildren(...(many ? [scale.legend()] : []));
      grid.replaceChildren();
      close = data.metrics.map(onOneAxis).filter((metric) => metric.x.length).map((metric) => {
        const label = `${metric.name} over ${metric.xlabel}, ${metric.lines.length} run${metric.lines.length === 1 ? "" : "s"}`;
        const box = mrl.element("div", { class: "canvas", role: "img", "aria-label": label });
        grid.append(mrl.element("figure", {}, mrl.element("figcaption", {}, metric.name), box));
        return plot(box, metric, colour);
      });
      hint.textContent = cut && !state.all ? "far outliers are cut off" : "";
    }

    // Lines bring grids of x that they may share: one axis of all of them, and the places that a grid has on it.
    function onOneAxis(metric) {
      const x = [...new Set(metric.grids.flat())].sort((a, b) => a - b);
      const at = new Map(x.map((value, place) => [value, place]));
      return { ...metric, x, places: metric.grids.map((grid) => grid.map((value) => at.get(value))) };
    }

    function plot(box, metric, colour) {
      const log = state.log && metric.lines.some((line) => line.y.some((y) => y > 0));
      // undefined joins what stands left and right of it, null is a gap
      const lines = metric.lines.map((line) => {
        const ys = new Array(metric.x.length);
        const places = metric.places[line.grid || 0];
        line.y.forEach((y, k) => { ys[places[k]] = log && y <= 0 ? null : y; });
        return ys;
      });
      const limits = log ? null : mrl.plot.outlierLimits(metric.lines.flatMap((line) => line.y.filter((y) => y !== null)));
      cut = cut || Boolean(limits);
      const series = metric.lines.map((line) => ({
        stroke: colour(line.id), width: many ? 1.25 : 1.75, points: { show: line.y.length < 2, size: 5 },
      }));
      return mrl.plot.make(box, {
        height: many ? 260 : 180,
        data: [metric.x, ...lines],
        options: {
          scales: { x: { time: false }, y: log ? { distr: 3 } : { range: mrl.plot.linearRange(state.all ? null : limits) } },
          axes: mrl.plot.axes({ xlabel: metric.xlabel }),
          series: [{}, ...series],
          hooks: { draw: [(u) => ends(u, metric, lines, colour)] },
        },
        nearest: (u, left, top) => nearest(u, metric, lines, left, top),
        mark: (u, context, id) => {
          const at = metric.lines.findIndex((line) => line.id === id);
          if (many && at >= 0) trace(u, context, metric.x, lines[at], colour(id));
        },
      });
    }

    // A cross where a run turned into nan or inf: above its last value.
    function ends(u, metric, lines, colour) {
      const context = u.ctx;
      const ratio = devicePixelRatio;
      metric.lines.forEach((line, at) => {
        if (!line.end) return;
        const last = lines[at].findLastIndex((y) => y !== null && y !== undefined);
        const y = last < 0 ? u.bbox.top + 8 * ratio : Math.max(u.valToPos(lines[at][last], "y", true), u.bbox.top + 6 * ratio);
        const x = Math.min(u.valToPos(last < 0 ? line.end.x : metric.x[last], "x", true), u.bbox.left + u.bbox.width - 5 * ratio);
        const size = 4 * ratio;
        context.save();
        context.strokeStyle = many ? colour(line.id) : mrl.colour("bad");
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
      lines.forEach((ys, line) => {
        const index = [0, -1, 1, -2, 2, -3, 3].map((d) => at + d).find((k) => ys[k] !== null && ys[k] !== undefined);
        if (index === undefined) return;
        const away = Math.abs(u.valToPos(ys[index], "y") - top);
        if (away < NEAR && (!best || away < best.away)) best = { away, line, index };
      });
      if (!best) return null;
      const { id, end } = metric.lines[best.line];
      const lost = end ? [`turned ${end.kind} at ${metric.xlabel} ${mrl.number(end.x)}`] : [];
      const value = `${metric.name} ${mrl.number(lines[best.line][best.index])} at ${metric.xlabel} ${mrl.number(metric.x[best.index])}`;
      return { id, lines: [...(many ? [id] : []), value, ...mrl.plot.params(data, rows.get(id)), ...lost] };
    }

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

    if (many) {
      const options = [...data.params.map(([name], at) => [String(at), name]), ["", "sub-experiment"]];
      root.append(mrl.element("div", { class: "tools" },
        mrl.select("Colour by", options, (by) => { state.by = by; draw(); }),
        mrl.checkbox("log y", false, (log) => { state.log = log; draw(); }),
        mrl.checkbox("all outliers", false, (all) => { state.all = all; draw(); }), hint));
    }
    root.append(legend, grid);
    draw();
    return draw;
  };
})();
