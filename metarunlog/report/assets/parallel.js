// Parallel coordinates: an axis a param, the last one the metric, a line a run, coloured by the metric.
"use strict";
(() => {
  const [HEIGHT, TOP, BOTTOM, RIGHT, NARROWEST] = [300, 34, 14, 14, 80];
  const SVG = "http://www.w3.org/2000/svg";

  function svg(tag, attributes, text) {
    const made = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  mrl.views.parallel = (root, data) => {
    const first = data.metrics.findIndex((metric) => metric.name === mrl.address.get("parallel.metric"));
    const state = { metric: Math.max(first, 0) };
    const box = mrl.element("div", { class: "parallel scroll", tabindex: "0", role: "region", "aria-label": "Parallel coordinates" });
    const note = mrl.element("p", { class: "note", role: "status" });
    let lines = new Map();

    function draw() {
      const metric = data.metrics[state.metric];
      const known = metric.values.filter((v) => v !== null);
      const scale = known.length ? mrl.colours.continuous(mrl.colours.distinct(known), mrl.plot.farLimits(known)) : null;
      const axes = data.params.map(([name, values]) => ({ name, column: name, values, ...mrl.colours.axis(values) }));
      if (scale) axes.push({ name: mrl.metricName(metric), column: `${metric.name}.${metric.stat}`, values: metric.values, ...scale });
      const left = 16 + 7 * Math.max(3, ...axes[0].ticks.map(([, text]) => mrl.short(text, 12).length));
      const width = Math.max(box.clientWidth, left + RIGHT + NARROWEST * (axes.length - 1));
      const x = (at) => left + (axes.length > 1 ? (at * (width - left - RIGHT)) / (axes.length - 1) : 0);
      const y = (share) => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
      const good = (v) => (metric.goal === "low" ? 1 - scale.share(v) : scale.share(v));
      const picture = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
      lines = new Map();
      const rows = data.ids.map((id, row) => ({ id, row, value: metric.values[row] }));
      const kept = (row) => Number(mrl.chosen.has(row.id));
      // The best on top, those left out below.
      rows.sort((a, b) => kept(a) - kept(b) || (a.value === null ? -1 : b.value === null ? 1 : good(a.value) - good(b.value)));
      for (const { id, row, value } of rows) {
        const shown = axes.map((axis, at) => [x(at), axis.values[row], axis]).filter(([, v, axis]) => v !== null || axis.slots);
        const path = "M" + shown.map(([place, v, axis]) => `${place} ${y(axis.share(v))}`).join("L");
        const left = mrl.chosen.has(id) ? "" : " left";
        const line = svg("path", { d: path, class: (value === null ? "lost" : "run") + left, stroke: value === null ? mrl.colour("muted") : mrl.colours.ramp(good(value)) });
        const touch = svg("path", { d: path, class: "touch" });
        touch.addEventListener("pointerenter", () => mrl.hover(id));
        touch.addEventListener("pointerleave", () => mrl.hover(null));
        touch.addEventListener("click", () => mrl.chosen.toggle(id));
        picture.append(...(left ? [line] : [line, touch]));
        lines.set(id, { line, row });
      }
      axes.forEach((axis, at) => {
        picture.append(svg("line", { x1: x(at), x2: x(at), y1: TOP, y2: HEIGHT - BOTTOM, class: "axis" }));
        const end = at === axes.length - 1 ? "end" : at === 0 ? "start" : "middle";
        const from = at === axes.length - 1 ? width - 4 : at === 0 ? 4 : x(at);
        picture.append(svg("text", { x: from, y: 16, "text-anchor": end, class: "name" }, mrl.short(axis.name, 24)));
        for (const [share, text] of axis.ticks) {
          picture.append(svg("text", { x: x(at) - 6, y: y(share) + 4, "text-anchor": "end" }, mrl.short(text, 12)));
        }
      });
      if (mrl.chosen.canFilter()) axes.forEach((axis, at) => {
        const hand = svg("rect", { x: x(at) - 9, y: TOP - 12, width: 18, height: HEIGHT - BOTTOM - TOP + 24, class: "hand" });
        const mark = svg("rect", { x: x(at) - 6, width: 12, class: "brush" });
        brush(hand, mark, axis, (top) => Math.min(Math.max((HEIGHT - BOTTOM - top) / (HEIGHT - TOP - BOTTOM), 0), 1), y);
        picture.append(mark, hand);
      });
      box.classList.toggle("dense", rows.length > 500);
      box.replaceChildren(picture);
      pick();
    }

    // A drag along an axis: the filter leaves what lies in it.
    function brush(hand, mark, axis, share, y) {
      let from = null;
      const at = (event) => share(event.clientY - hand.ownerSVGElement.getBoundingClientRect().top);
      hand.addEventListener("pointerdown", (event) => {
        from = at(event);
        hand.setPointerCapture(event.pointerId);
      });
      hand.addEventListener("pointermove", (event) => {
        if (from === null) return;
        const ends = [from, at(event)].sort((a, b) => a - b);
        mark.setAttribute("y", y(ends[1]));
        mark.setAttribute("height", y(ends[0]) - y(ends[1]));
      });
      hand.addEventListener("pointercancel", () => { from = null; mark.setAttribute("height", 0); });
      hand.addEventListener("pointerup", (event) => {
        if (from === null) return;
        const ends = [from, at(event)].sort((a, b) => a - b);
        from = null;
        mark.setAttribute("height", 0);
        if (ends[1] - ends[0] < 0.01) return;
        const slack = axis.slots ? 0.03 : 0.005; // a hand is not that exact
        const within = mrl.colours.distinct(axis.values.filter((v) => v !== null || axis.slots))
          .filter((v) => axis.share(v) >= ends[0] - slack && axis.share(v) <= ends[1] + slack);
        if (!within.length) return;
        if (axis.slots) mrl.narrow.to(axis.column, ...within);
        else mrl.narrow.between(axis.column, within[0], within[within.length - 1]);
      });
    }

    function pick() {
      const { picks } = mrl.chosen;
      box.classList.toggle("picking", [...picks].some((id) => lines.has(id)));
      lines.forEach(({ line }, id) => line.classList.toggle("picked", picks.has(id)));
    }
    document.addEventListener("mrl-pick", pick);

    let marked = null;
    document.addEventListener("mrl-hover", (event) => {
      marked?.classList.remove("hover");
      const found = lines.get(event.detail);
      marked = found?.line;
      box.classList.toggle("hovering", Boolean(found));
      marked?.classList.add("hover");
      const metric = data.metrics[state.metric];
      note.textContent = found
        ? [event.detail, ...mrl.plot.params(data, found.row), `${mrl.metricName(metric)} ${mrl.number(metric.values[found.row])}`].join(" · ")
        : "";
    });

    if (!data.params.length) {
      root.replaceChildren(mrl.element("p", { class: "hint" }, "No param varies."));
      return null;
    }
    root.replaceChildren(mrl.element("div", { class: "tools" },
      mrl.select("Metric", data.metrics.map((metric, at) => [String(at), mrl.metricName(metric)]), (at) => {
        state.metric = Number(at);
        mrl.address.set("parallel.metric", state.metric ? data.metrics[state.metric].name : "");
        draw();
      }, String(state.metric)), mrl.element("span", { class: "count" }, mrl.chosen.canFilter() ? "drag along an axis to filter" : "")),
    box, note);
    draw();
    let width = box.clientWidth;
    new ResizeObserver(() => {
      if (box.clientWidth !== width) { width = box.clientWidth; draw(); }
    }).observe(box);
    return draw;
  };
})();
