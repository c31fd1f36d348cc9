// What the plots drawn by uPlot share: looks, size, the tip under the pointer and a layer to mark one run.
"use strict";
mrl.plot = (() => {
  const FONT = "12px system-ui, sans-serif";

  function axes({ xvalues, xsplits, xlabel }) {
    const text = mrl.colour("muted");
    const lines = { stroke: mrl.colour("line"), width: 1 };
    const common = { stroke: text, font: FONT, labelFont: FONT, grid: lines, ticks: { ...lines, size: 4 } };
    const labels = (values) => values.map((value) => (value === null ? "" : mrl.number(value, 4)));
    return [
      { ...common, size: xlabel ? 28 : 32, gap: 4, label: xlabel, labelSize: 18, values: xvalues || ((u, values) => labels(values)),
        ...(xsplits ? { splits: () => xsplits, grid: { show: false } } : {}) },
      { ...common, gap: 4, values: (u, values) => labels(values),
        size: (u, values) => (values ? 18 + 7 * Math.max(3, ...values.map((value) => value.length)) : 40) },
    ];
  }

  // A linear range with a little air; `limits` cuts off what would flatten all the rest.
  function linearRange(limits) {
    return (u, low, high) => {
      if (low === null || high === null) return [0, 1];
      const bottom = limits ? Math.max(low, limits[0]) : low;
      const top = limits ? Math.min(high, limits[1]) : high;
      const air = (top - bottom) * 0.05 || Math.abs(top) * 0.1 || 1;
      return [bottom - air, top + air];
    };
  }

  // The range without outliers, or null where there are none worth the cut: far beyond the bulk of the values.
  function outlierLimits(values) {
    if (values.length < 20) return null;
    const sorted = Float64Array.from(values).sort();
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
    const [low, high] = [at(0.03), at(0.97)];
    const span = high - low;
    const limits = [Math.max(sorted[0], low - 0.5 * span), Math.min(sorted[sorted.length - 1], high + 0.5 * span)];
    return span > 0 && (sorted[sorted.length - 1] > high + 2 * span || sorted[0] < low - 2 * span) ? limits : null;
  }

  // The same for one value a run: far from the middle half of the runs, as a run that diverged is.
  function farLimits(values) {
    if (values.length < 5) return null;
    const sorted = Float64Array.from(values).sort();
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
    const reach = 4 * Math.max(at(0.75) - at(0.25), 0.02 * Math.abs(at(0.5)));
    const near = sorted.filter((value) => value >= at(0.25) - reach && value <= at(0.75) + reach);
    return near.length < sorted.length ? [near[0], near[near.length - 1]] : null;
  }

  // A uPlot in `box`, as wide as that is. `nearest(u, left, top)` gives {id, lines} or null, `mark(u, context, id)` draws on top.
  function make(box, { options, data, nearest, mark, height = 240 }) {
    const u = new uPlot({
      width: Math.max(box.clientWidth, 120), height, padding: [10, 10, 0, 0], legend: { show: false },
      cursor: { points: { show: false }, drag: { x: true, y: false }, y: false }, ...options,
    }, data, box);
    const layer = mrl.element("canvas", { class: "layer" });
    const tip = mrl.element("div", { class: "tip", hidden: "" });
    u.over.append(layer, tip);
    const marked = { id: null };
    const draw = () => {
      const ratio = devicePixelRatio;
      layer.width = u.over.clientWidth * ratio;
      layer.height = u.over.clientHeight * ratio;
      layer.style.width = `${u.over.clientWidth}px`;
      layer.style.height = `${u.over.clientHeight}px`;
      const context = layer.getContext("2d");
      context.scale(ratio, ratio);
      if (marked.id !== null) mark(u, context, marked.id);
    };
    const onHover = (event) => { marked.id = event.detail; draw(); };
    document.addEventListener("mrl-hover", onHover);
    u.over.addEventListener("pointermove", (event) => {
      const place = u.over.getBoundingClientRect();
      const [left, top] = [event.clientX - place.left, event.clientY - place.top];
      const found = nearest(u, left, top);
      tip.hidden = !found;
      mrl.hover(found ? found.id : null);
      if (!found) return;
      tip.replaceChildren(...found.lines.map((line) => mrl.element("div", {}, line)));
      const right = left > place.width / 2;
      tip.style.left = right ? "auto" : `${left + 14}px`;
      tip.style.right = right ? `${place.width - left + 14}px` : "auto";
      tip.style.top = `${Math.min(top, place.height - 20)}px`;
    });
    u.over.addEventListener("pointerleave", () => { tip.hidden = true; mrl.hover(null); });
    const resize = new ResizeObserver(() => {
      if (box.clientWidth && Math.abs(box.clientWidth - u.width) > 1) u.setSize({ width: box.clientWidth, height });
    });
    resize.observe(box);
    return () => {
      resize.disconnect();
      document.removeEventListener("mrl-hover", onHover);
      u.destroy();
    };
  }

  // The params of one run as lines for the tip; all values in the order of `ids`.
  function params(data, row) {
    return data.params.map(([name, values]) => `${name} ${mrl.number(values[row])}`);
  }

  return { axes, linearRange, outlierLimits, farLimits, make, params };
})();
